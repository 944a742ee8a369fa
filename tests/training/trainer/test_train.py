from __future__ import annotations

import errno
import importlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.drawings import kept_drawings
from training.artifacts.h5 import read_provenance
from training.artifacts.version_files import H5_NAME
from training.config import TrainingConfig
from training.data.manifest import Manifest, make_manifest
from training.errors import BrokenArtifact
from training.trainer.checkpoints import TrainingState, read_checkpoint

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


class Stopped(Exception):
    """Stands for whatever ends a training before its time."""


@dataclass
class Kept:
    """A report that keeps what it is told, and stops the training where it is told to."""

    stop_at: tuple[int, int] | None = None  # epochs done, batches done of the next
    stages: list[str] = field(default_factory=list)
    epochs: list[Any] = field(default_factory=list)
    watched: list[tuple[int, list[Any]]] = field(default_factory=list)
    resumed_after: list[int] = field(default_factory=list)
    checkpoints: list[Path] = field(default_factory=list)

    def device(self, device: Any) -> None:
        self.kind = device.kind

    def stage(self, stage: str) -> None:
        self.stages.append(stage)

    def answered(self, epoch: int, pictures: list[Any]) -> None:
        self.watched.append((epoch, pictures))

    def epoch(self, result: Any) -> None:
        self.epochs.append(result)

    def resumed(self, epoch: int) -> None:
        self.resumed_after.append(epoch)

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        self.checkpoints.append(path)
        if (epoch, step) == self.stop_at:
            raise Stopped


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("shapes")
    return make_manifest(folder, kept_drawings(folder, 40))


@pytest.fixture(scope="module")
def run(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Kept]:
    from training.trainer.train import train

    folder, report = tmp_path_factory.mktemp("run"), Kept()
    return train(manifest, CONFIG, report, folder=folder, cache_folder=folder / "cache"), report


def test_a_run_learns_and_tells_how_it_goes(run: tuple[Any, Kept]) -> None:
    artifact, report = run

    assert report.stages == ["preparing", "training", "converting", "evaluating"]
    assert report.resumed_after == [0]
    assert [each.number for each in report.epochs] == [1, 2, 3, 4, 5]
    assert report.epochs[-1].loss < report.epochs[0].loss
    assert [epoch for epoch, _ in report.watched] == [1, 2, 3, 4, 5]
    assert len({tuple(each.sha256 for each in pictures) for _, pictures in report.watched}) == 1
    assert artifact.evaluation.pictures == 12
    assert artifact.h5.path.is_file()
    assert artifact.serving_model.max_difference < 1e-4


def test_the_epoch_with_the_lowest_validation_loss_is_kept(run: tuple[Any, Kept], manifest: Manifest) -> None:
    import keras

    from training.artifacts.h5 import load_network
    from training.data.pixel_cache import pixel_cache

    artifact, report = run
    pixels = pixel_cache(manifest, CONFIG.image_size, artifact.h5.path.parent / "cache")
    held_back = manifest.positions("validation")

    probabilities = load_network(artifact.h5.path, keras.saving.load_model).predict(pixels[held_back], verbose=0)

    of_the_truth = probabilities[np.arange(len(held_back)), manifest.labels()[held_back]]
    assert -np.log(of_the_truth).mean() == pytest.approx(min(each.val_loss for each in report.epochs), rel=0.02)


def test_an_epoch_reports_the_learning_rate_it_began_with(run: tuple[Any, Kept]) -> None:
    _, report = run

    rates = [each.learning_rate for each in report.epochs]

    assert rates[0] == pytest.approx(CONFIG.learning_rate / 10)  # the warm-up begins at a tenth
    assert all(rate > 0 for rate in rates)
    assert rates[1:] == sorted(rates[1:], reverse=True)


@pytest.mark.parametrize(
    "config",
    [
        CONFIG.changed({"epochs": 1, "augmentation": ("zoom",)}),
        TrainingConfig.for_network("googlenet", {"image_size": 64, "epochs": 1, "batch_size": 8, "augmentation": ()}),
    ],
    ids=["cnn", "googlenet"],
)
def test_the_same_seed_gives_the_same_weights_on_a_cpu(
    config: TrainingConfig, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    from training.data.pixel_cache import pixel_cache
    from training.trainer.fitting import fit
    from training.trainer.phases import PhaseSetup, start_afresh
    from training.trainer.train import network_to_fit

    googlenet = importlib.import_module("training.networks.googlenet")
    few = {name: googlenet.MODULES[name] for name in ("3a", "4a", "4d")}  # each more takes many seconds to trace
    monkeypatch.setattr(googlenet, "MODULES", few)
    cache = pixel_cache(manifest, config.image_size, tmp_path)

    def weights() -> list[np.ndarray]:
        for _ in range(90):  # what was built before must not matter: after conv2d_99 comes 100, which sorts before it
            keras.layers.Conv2D(1, 1)
        start_afresh(config.seed)
        network = network_to_fit(config, 2)
        fit(PhaseSetup(network, cache, manifest, config, tmp_path), Kept())
        return network.get_weights()

    for first, second in zip(weights(), weights(), strict=True):
        assert (first == second).all()


def test_the_last_layer_learns_first_and_alone(manifest: Manifest, tmp_path: Path) -> None:
    from training.data.pixel_cache import pixel_cache
    from training.trainer.fitting import fit
    from training.trainer.phases import PhaseSetup
    from training.trainer.train import network_to_fit

    settings = {"image_size": 32, "epochs": 1, "head_epochs": 1}
    config = TrainingConfig.for_network("mobilenetv2", settings)
    network = network_to_fit(config, 2, with_weights=False)
    backbone, last = network.get_layer("backbone"), network.get_layer("probabilities")
    backbone_before, last_before = backbone.get_weights(), last.get_weights()

    fit(PhaseSetup(network, pixel_cache(manifest, 32, tmp_path), manifest, config, tmp_path), Kept())

    assert all((now == then).all() for now, then in zip(backbone.get_weights(), backbone_before, strict=True))
    assert (last.get_weights()[0] != last_before[0]).any()


def trained(
    manifest: Manifest, config: TrainingConfig, folder: Path, stops: list[tuple[int, int]]
) -> tuple[list[np.ndarray], list[Any]]:
    """The weights and epochs of a training that is stopped again and again, and taken up from its checkpoint."""
    import keras

    from training.data.pixel_cache import pixel_cache
    from training.trainer.fitting import fit
    from training.trainer.phases import PhaseSetup
    from training.trainer.train import network_to_fit

    begun: TrainingState | None = None
    epochs: list[Any] = []
    for number, stop in enumerate([*stops, None]):
        keras.utils.set_random_seed(config.seed + number)  # what follows a stop owes nothing to the first seed
        network = network_to_fit(config, len(manifest.class_names), with_weights=False)
        report = Kept(stop_at=stop, epochs=epochs)
        try:
            cache = pixel_cache(manifest, config.image_size, folder)
            fit(PhaseSetup(network, cache, manifest, config, folder), report, begun=begun)
        except Stopped:
            begun = read_checkpoint(report.checkpoints[-1])
            assert (begun.epoch, begun.step) == stop
    return network.get_weights(), epochs


def small_backbone(*, input_shape: tuple[int, ...], include_top: bool, weights: str | None) -> Any:
    """Stands for MobileNetV2, whose building and tracing take ten times as long as all that these tests train."""
    import keras
    from keras import layers

    pixels = keras.Input(input_shape)
    x = layers.Conv2D(8, 3, strides=4, name="frozen")(pixels)
    x = layers.Conv2D(8, 3, name=FINE_TUNE_FROM)(x)
    return keras.Model(pixels, layers.BatchNormalization()(x))


FINE_TUNE_FROM = "block_6_expand"
AUGMENTED = CONFIG.changed({"epochs": 3, "augmentation": ("zoom", "contrast"), "dropout": 0.3})
EVERYTHING = AUGMENTED.changed(
    {"weight_averaging": 0.9, "mixup": 0.3, "class_weights": "balanced", "schedule": "plateau", "rate_patience": 1}
)
FINE_TUNED = TrainingConfig.for_network(
    "mobilenetv2", {"image_size": 32, "epochs": 3, "head_epochs": 1, "batch_size": 16, "augmentation": ("flip",)}
)
PROBED = FINE_TUNED.changed({"linear_probe": True, "final_epochs": 1, "fine_tune_learning_rate": 0.01})
PROBED_AND_TUNED = PROBED.changed(
    {"epochs": 5, "fine_tune": "whole", "fine_tune_learning_rate": 0.003, "augmentation": (), "dropout": 0}
)
GENTLY_TUNED = FINE_TUNED.changed({"fine_tune_batch_norm": False, "weight_averaging": 0.98})


@pytest.mark.parametrize(
    ("config", "stops", "num_epochs"),
    [
        pytest.param(AUGMENTED, [(0, 5), (0, 9), (1, 0), (2, 13)], 3, id="within epochs and at the end of one"),
        pytest.param(EVERYTHING, [(0, 3), (1, 0), (1, 5)], 3, id="with averaged weights, blending and a plateau"),
        pytest.param(FINE_TUNED, [(0, 2), (1, 0), (1, 1)], 3, id="before, at and after the change of phase"),
        pytest.param(PROBED_AND_TUNED, [(1, 0), (2, 2), (4, 0), (4, 3)], 5, id="from a linear probe to all pictures"),
        pytest.param(PROBED, [(1, 0), (1, 2)], 2, id="back to its linear probe"),
        pytest.param(AUGMENTED.changed({"final_epochs": 1}), [(1, 0), (2, 4)], 3, id="in the end on all pictures"),
        pytest.param(GENTLY_TUNED, [(0, 2), (1, 1), (2, 0)], 3, id="fine-tuned as what resembles ImageNet is"),
    ],
)
def test_a_stopped_training_ends_with_the_weights_of_an_unbroken_one(
    config: TrainingConfig,
    stops: list[tuple[int, int]],
    num_epochs: int,
    manifest: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.trainer.callbacks.CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr("keras.applications.MobileNetV2", small_backbone)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    unbroken, expected = trained(manifest, config, tmp_path, [])

    weights, epochs = trained(manifest, config, tmp_path, stops)

    assert all((one == other).all() for one, other in zip(weights, unbroken, strict=True))
    assert [each.number for each in epochs] == [*range(1, num_epochs + 1)]
    assert [(each.loss, each.val_loss) for each in epochs] == [(each.loss, each.val_loss) for each in expected]


@pytest.mark.parametrize(
    ("share", "companion", "network", "millions"),
    [
        (0.5, "none", "efficientnetlite0", (5, 7)),
        (0.5, "efficientnetlite2", "efficientnetlite0", (10, 13)),
        (math.inf, "none", "efficientnetlite0", (3, 4)),
        (math.inf, "efficientnetlite2", "efficientnetlite0and2", (7, 9)),
    ],
    ids=["beside it", "with a companion", "taken back", "taken back to a pair"],
)
def test_what_was_fine_tuned_answers_as_the_pictures_to_choose_by_say(
    share: float,
    companion: str,
    network: str,
    millions: tuple[int, int],
    manifest: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.trainer import fitting
    from training.trainer.train import train

    monkeypatch.setattr(fitting, "best_share", lambda *_: share)
    monkeypatch.setattr(fitting.Fitting, "is_probe_best", False)
    config = BESIDE_START if share == 0.5 else BESIDE_START.changed({"epochs": 2, "final_epochs": 0})
    config = config.changed({"companion": companion})
    report = Kept()

    artifact = train(manifest, config, report, folder=tmp_path, cache_folder=tmp_path)

    assert artifact.serving_model.max_difference < 1e-4
    assert millions[0] < artifact.num_weights / 1e6 < millions[1]
    assert read_provenance(tmp_path / H5_NAME).config["network"] == network
    assert artifact.evaluation.calibration is not None
    if share == 0.5:
        again = train(
            manifest, config, Kept(), folder=tmp_path, cache_folder=tmp_path, resume_from=report.checkpoints[-2]
        )
        assert again.temperature == artifact.temperature
        assert (again.predictions.probabilities == artifact.predictions.probabilities).all()


BESIDE_START = TrainingConfig.for_network(
    "efficientnetlite0",
    {
        **{"image_size": 32, "epochs": 3, "final_epochs": 1, "batch_size": 16, "augmentation": ()},
        **{"linear_probe": True, "beside_start": True, "fine_tune_learning_rate": 1e-3},
    },
)


def test_a_last_layer_found_at_once_learns_from_all_but_the_test_and_is_judged_by_folds(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainer.train import train

    monkeypatch.setattr("keras.applications.MobileNetV2", small_backbone)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    config = PROBED.changed({"fine_tune": "none"})
    report, again = Kept(), Kept()

    artifact = train(manifest, config, report, folder=tmp_path, cache_folder=tmp_path)
    resumed = train(manifest, config, again, folder=tmp_path, cache_folder=tmp_path, resume_from=report.checkpoints[-1])

    assert [each.number for each in report.epochs] == [1]
    learned = manifest.count("train") + manifest.count("validation")
    assert artifact.evaluation.calibration is not None
    assert artifact.evaluation.calibration.fitted_on == learned
    assert len(artifact.predictions.validation_labels) == learned
    assert artifact.serving_model.max_difference < 1e-4
    of_folds = artifact.predictions.validation_probabilities.argmax(axis=1) == artifact.predictions.validation_labels
    assert report.epochs[0].val_accuracy == pytest.approx(of_folds.mean())
    assert again.epochs == []
    assert resumed.evaluation.accuracy == artifact.evaluation.accuracy
    assert resumed.temperature == artifact.temperature


def test_final_epochs_learn_from_the_pictures_to_choose_by_whose_figures_stay(
    manifest: Manifest, tmp_path: Path
) -> None:
    from training.trainer.train import train

    report = Kept()
    config = CONFIG.changed({"final_epochs": 2})

    artifact = train(manifest, config, report, folder=tmp_path, cache_folder=tmp_path)

    assert [each.number for each in report.epochs] == [1, 2, 3, 4, 5]
    third, fourth, fifth = report.epochs[2:]
    assert (fourth.val_loss, fourth.val_accuracy) == (fifth.val_loss, fifth.val_accuracy)
    assert fourth.val_loss == pytest.approx(min(each.val_loss for each in report.epochs[:3]), rel=1e-4)
    assert third.val_loss >= fourth.val_loss - 1e-6  # one is a mean of batches, the other of all at once
    assert artifact.evaluation.calibration is not None
    assert artifact.evaluation.calibration.fitted_on == manifest.count("validation")


def test_a_training_without_gain_ends_early_and_stays_ended(manifest: Manifest, tmp_path: Path) -> None:
    import keras

    from training.data.pixel_cache import pixel_cache
    from training.trainer.fitting import fit
    from training.trainer.phases import PhaseSetup
    from training.trainer.train import network_to_fit

    config = CONFIG.changed({"early_stopping": 1, "learning_rate": 1e-7, "optimizer": "sgd", "schedule": "constant"})
    keras.utils.set_random_seed(1)
    network, first, second = network_to_fit(config, 2), Kept(), Kept()
    cache = pixel_cache(manifest, config.image_size, tmp_path)
    network.trainable = False  # nothing can be gained but by chance

    fit(PhaseSetup(network, cache, manifest, config, tmp_path), first)
    fit(PhaseSetup(network, cache, manifest, config, tmp_path), second, begun=read_checkpoint(first.checkpoints[-1]))

    assert [each.number for each in first.epochs] == [1, 2]
    assert second.epochs == []


def test_a_training_whose_epochs_are_all_done_is_only_evaluated(
    run: tuple[Any, Kept], manifest: Manifest, tmp_path: Path
) -> None:
    from training.trainer.train import train

    artifact, before = run
    report = Kept()

    again = train(manifest, CONFIG, report, folder=tmp_path, cache_folder=tmp_path, resume_from=before.checkpoints[-1])

    assert (report.resumed_after, report.epochs) == ([5], [])
    assert again.evaluation == artifact.evaluation


@pytest.mark.parametrize("what", ["other pictures", "damaged"])
def test_a_checkpoint_that_does_not_fit_is_refused(
    what: str, run: tuple[Any, Kept], manifest: Manifest, tmp_path: Path
) -> None:
    from training.trainer.train import train

    path = tmp_path / "checkpoint.npz"
    path.write_bytes(run[1].checkpoints[0].read_bytes()[: None if what == "other pictures" else -100])
    other = Manifest(manifest.root, manifest.class_names, manifest.entries[1:])

    with pytest.raises(BrokenArtifact, match=r"checkpoint\.npz"):
        train(
            other if what == "other pictures" else manifest,
            CONFIG,
            Kept(),
            folder=tmp_path,
            cache_folder=tmp_path,
            resume_from=path,
        )


def test_a_checkpoint_of_another_network_is_refused(run: tuple[Any, Kept], manifest: Manifest, tmp_path: Path) -> None:
    from training.trainer.train import train

    wider, path = CONFIG.changed({"filters": (8, 32)}), run[1].checkpoints[0]

    with pytest.raises(BrokenArtifact, match="another network"):
        train(manifest, wider, Kept(), folder=tmp_path, cache_folder=tmp_path, resume_from=path)


def test_a_disk_too_small_for_the_pixels_is_said_by_name(manifest: Manifest, small_disk: Path) -> None:
    from training.data.pixel_cache import pixel_cache

    with pytest.raises(OSError, match="No space left") as caught:
        pixel_cache(manifest, 160, small_disk)

    assert caught.value.errno == errno.ENOSPC
    assert str(caught.value.filename).startswith(str(small_disk))
    assert list(small_disk.iterdir()) == []
