from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.drawings import SHAPES, draw, encoded
from training.config import TrainingConfig
from training.images import ingest
from training.manifest import Manifest, make_manifest

pytestmark = pytest.mark.keras

CONFIG = TrainingConfig.for_network(
    "cnn",
    {
        "image_size": 24,
        "epochs": 5,
        "batch_size": 4,
        "learning_rate": 5e-3,
        "filters": (8, 16),
        "augmentation": (),
    },
)


@dataclass
class Kept:
    """A report that keeps what it is told."""

    stages: list[str] = field(default_factory=list)
    epochs: list[Any] = field(default_factory=list)

    def device(self, device: Any) -> None:
        self.kind = device.kind

    def stage(self, stage: str) -> None:
        self.stages.append(stage)

    def epoch(self, result: Any) -> None:
        self.epochs.append(result)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("shapes")
    pictures = []
    for shape in SHAPES:
        for number in range(40):
            kept = ingest(encoded(draw(shape, number)))
            (folder / f"{shape}-{number}.webp").write_bytes(kept.data)
            pictures.append((f"{shape}-{number}.webp", kept.sha256, shape))
    return make_manifest(folder, pictures, CONFIG)


@pytest.fixture(scope="module")
def run(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Kept]:
    from training.trainer import train

    folder, report = tmp_path_factory.mktemp("run"), Kept()
    return train(manifest, CONFIG, report, folder=folder, cache_folder=folder / "cache"), report


def test_a_run_learns_and_tells_how_it_goes(run: tuple[Any, Kept]) -> None:
    artifact, report = run

    assert report.stages == ["preparing", "training", "evaluating"]
    assert [each.number for each in report.epochs] == [1, 2, 3, 4, 5]
    assert report.epochs[-1].loss < report.epochs[0].loss
    assert artifact.evaluation.pictures == 12
    assert artifact.h5.path.is_file()
    assert artifact.twin.max_difference < 1e-4


def test_the_epoch_with_the_lowest_validation_loss_is_kept(run: tuple[Any, Kept], manifest: Manifest) -> None:
    from training.artifact import load_network
    from training.input_pipeline import pixel_cache
    from training.trainer import predict

    artifact, report = run
    pixels = pixel_cache(manifest, CONFIG.image_size, artifact.h5.path.parent / "cache")
    held_back = manifest.positions("validation")

    probabilities = predict(load_network(artifact.h5.path), pixels, held_back, 4)

    of_the_truth = probabilities[np.arange(len(held_back)), manifest.labels()[held_back]]
    assert -np.log(of_the_truth).mean() == pytest.approx(min(each.val_loss for each in report.epochs), rel=0.02)


def test_an_epoch_reports_the_learning_rate_it_began_with(run: tuple[Any, Kept]) -> None:
    _, report = run

    rates = [each.learning_rate for each in report.epochs]

    assert rates[0] == pytest.approx(CONFIG.learning_rate / 10)  # the warm-up begins at a tenth
    assert all(rate > 0 for rate in rates)
    assert rates[1:] == sorted(rates[1:], reverse=True)


def test_the_same_seed_gives_the_same_weights_on_a_cpu(manifest: Manifest, tmp_path: Path) -> None:
    import keras

    from training import networks
    from training.input_pipeline import pixel_cache
    from training.trainer import fit

    config = CONFIG.changed({"epochs": 1, "augmentation": ("zoom",)})
    cache = pixel_cache(manifest, config.image_size, tmp_path)

    def weights() -> list[np.ndarray]:
        keras.utils.set_random_seed(config.seed)
        network = networks.build(config, 2)
        fit(network, cache, manifest, config, Kept())
        return network.get_weights()

    for first, second in zip(weights(), weights(), strict=True):
        assert (first == second).all()


def test_the_last_layer_learns_first_and_alone(manifest: Manifest, tmp_path: Path) -> None:
    from training import networks
    from training.input_pipeline import pixel_cache
    from training.trainer import fit

    settings = {"image_size": 32, "epochs": 1, "head_epochs": 1}
    config = TrainingConfig.for_network("mobilenetv2", settings)
    network = networks.build(config.changed({"pretrained": False}), 2)
    backbone, last = network.get_layer("backbone"), network.get_layer("probabilities")
    backbone_before, last_before = backbone.get_weights(), last.get_weights()

    fit(network, pixel_cache(manifest, 32, tmp_path), manifest, config, Kept())

    assert all((now == then).all() for now, then in zip(backbone.get_weights(), backbone_before, strict=True))
    assert (last.get_weights()[0] != last_before[0]).any()
