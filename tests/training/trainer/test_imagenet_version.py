"""A network that knows ImageNet answers among some of its classes; its files are like those of any other version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.artifacts.h5 import load_network, read_golden, read_provenance
from training.artifacts.serving_model import compiled, open_serving_model
from training.artifacts.version_files import Artifact
from training.config import TrainingConfig
from training.data.drawn_pictures import clock
from training.devices import Device

pytestmark = pytest.mark.keras

CONFIG = TrainingConfig.for_network("efficientnetlite0", {"image_size": 128, "fine_tune": "none", "augmentation": ()})
CLASSES = {"dog": [207, 208], "clock": [409, 892], "teapot": [849]}  # as a database may give them: in no order


class Heard:
    def __init__(self) -> None:
        self.stages: list[str] = []

    def device(self, device: Device) -> None:
        self.stages.append(device.kind)

    def stage(self, stage: str) -> None:
        self.stages.append(stage)


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, heard: Heard) -> Artifact:
    from training.trainer.imagenet_version import make_imagenet_version

    folder = tmp_path_factory.mktemp("made")
    return make_imagenet_version(CLASSES, CONFIG, heard, folder=folder, recognizer="things")


def answer_of(artifact: Artifact, pixels: np.ndarray) -> np.ndarray:
    structure, weights = (path.read_bytes() for path in artifact.serving_model.paths)
    return open_serving_model(structure, weights)(pixels[np.newaxis].astype(np.float32))


def test_it_says_what_it_does_and_measures_nothing(made: Artifact, heard: Heard) -> None:
    assert heard.stages == ["preparing", "cpu", "converting"]
    assert (made.evaluation, made.predictions, made.temperature) == (None, None, 1.0)
    assert made.serving_model.pictures_compared == 6
    assert made.serving_model.max_difference <= 1e-4


def test_a_clock_is_a_clock(made: Artifact) -> None:
    provenance = read_provenance(made.h5.path)

    answer = answer_of(made, clock(CONFIG.image_size))

    assert provenance.class_names == ["clock", "dog", "teapot"]
    assert provenance.class_names[answer.argmax()] == "clock"
    assert answer.sum() == pytest.approx(1, abs=1e-5)


def test_it_says_what_the_1000_probabilities_come_to_among_these(made: Artifact) -> None:
    """Softmax over all 1,000, restricted to the labels' classes, and scaled to 1 again."""
    from training.networks.efficientnet_lite import MEAN, SCALE, efficientnet_lite, imagenet_head

    pixels = clock(CONFIG.image_size)[::-1]
    network = efficientnet_lite(CONFIG.network, CONFIG.image_size, pretrained=True)
    kernel, offsets = imagenet_head(CONFIG.network)
    features = np.asarray(network((pixels[np.newaxis] - MEAN) / SCALE)).mean(axis=(1, 2))[0]
    scores = np.exp((features @ kernel + offsets).astype(np.float64))
    expected = np.array([scores[CLASSES[name]].sum() for name in sorted(CLASSES)])

    np.testing.assert_allclose(answer_of(made, pixels), expected / expected.sum(), atol=1e-4)


def test_its_h5_opens_like_any_other(made: Artifact, tmp_path: Path) -> None:
    import keras
    import openvino as ov

    from training.trainer.inspection import inspect

    network = load_network(made.h5.path, keras.saving.load_model)
    found, probabilities = inspect(
        network, read_golden(made.h5.path).pixels, keep=lambda name, drawn: name, advance=lambda share: None
    )
    maps = compiled(ov.Core().read_model(made.serving_model.paths[0]), "feature_maps", 1)

    np.testing.assert_allclose(probabilities, read_golden(made.h5.path).probabilities, atol=1e-4)
    assert found.filters is not None
    assert maps(np.zeros((1, 128, 128, 3), np.float32)).shape == (4, 4, 1280)
