"""Training on several devices at once: two logical CPU devices stand for two GPUs, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.drawings import SHAPES, kept_drawings
from tests.tiny import Silent
from training.config import TrainingConfig
from training.data.manifest import Manifest, make_manifest

pytestmark = pytest.mark.keras

ROOT = Path(__file__).parents[3]
SETTINGS = {"image_size": 24, "epochs": 4, "batch_size": 8, "learning_rate": 1e-2}
CNN = TrainingConfig.for_network("cnn", {**SETTINGS, "filters": (8, 16), "augmentation": ("flip",)})
# Nothing random in it, and nothing that depends on how many pictures a device has at a time.
MLP = TrainingConfig.for_network(
    "mlp", {**SETTINGS, "hidden_units": (16, 8), "dropout": 0, "batch_normalization": False, "weight_averaging": 0}
)


class Stopped(Exception):
    """Stands for whatever ends a training before its time."""


class Kept(Silent):
    """A report that keeps the losses, and stops the training where it is told to."""

    def __init__(self) -> None:
        self.stop_at: tuple[int, int] | None = None
        self.losses: list[float] = []

    def epoch(self, result: Any) -> None:
        self.losses.append(result.loss)

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        self.path = path
        if (epoch, step) == self.stop_at:
            raise Stopped


def main(folder: Path) -> None:
    """Train on one device and on two, and write down what came of it; runs in the process with the two devices."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    pictures = kept_drawings(folder, 43)
    even, odd = make_manifest(folder, pictures), make_manifest(folder, pictures[:-1])
    facts = {
        "mlp on one": losses_of(even, MLP, 1),
        "mlp on two": losses_of(even, MLP, 2),
        "cnn on two": losses_of(odd, CNN, 2),
        "cnn on two, stopped": stopped_and_gone_on_with(odd, CNN, 2),
    }
    (folder / "facts.json").write_text(json.dumps(facts))


def losses_of(manifest: Manifest, config: TrainingConfig, count: int) -> list[float]:
    import keras

    from training.data.pixel_cache import pixel_cache
    from training.devices import Device
    from training.trainer.distribution import distribution_scope
    from training.trainer.fitting import fit
    from training.trainer.phases import PhaseSetup
    from training.trainer.train import network_to_fit

    report, folder = Kept(), Path(manifest.root)
    keras.utils.set_random_seed(config.seed)
    with distribution_scope(Device("cpu", "CPU", count=count), config.batch_size):
        network = network_to_fit(config, len(SHAPES))
        cache = pixel_cache(manifest, config.image_size, folder)
        fit(PhaseSetup(network, cache, manifest, config, folder), report)
    return report.losses


def stopped_and_gone_on_with(manifest: Manifest, config: TrainingConfig, count: int) -> dict[str, Any]:
    """A whole run that is stopped within its second epoch: its losses, and how well its H5 answers."""
    import keras

    from training.artifacts.h5 import load_network
    from training.data.pixel_cache import pixel_cache
    from training.devices import Device
    from training.trainer import callbacks, train

    callbacks.CHECKPOINT_SECONDS = 0
    train.__dict__["prepare_device"] = lambda precision: Device("cpu", "CPU", count=count)
    report, folder = Kept(), Path(manifest.root)
    report.stop_at = (1, 3)
    with pytest.raises(Stopped):
        train.train(manifest, config, report, folder=folder, cache_folder=folder)
    report.stop_at = None
    artifact = train.train(manifest, config, report, folder=folder, cache_folder=folder, resume_from=report.path)
    network, learned = load_network(artifact.h5.path, keras.saving.load_model), manifest.positions("train")
    pixels = pixel_cache(manifest, config.image_size, folder)[learned].astype("float32")
    answers = network.predict(pixels, verbose=0).argmax(axis=1)
    return {"losses": report.losses, "accuracy": float((answers == manifest.labels()[learned]).mean())}


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("distribution")
    command = [sys.executable, "-m", "tests.training.trainer.test_distribution", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text())
    return facts


def test_two_devices_come_to_what_one_comes_to(facts: dict[str, Any]) -> None:
    assert facts["mlp on two"] == pytest.approx(facts["mlp on one"], rel=1e-3)


def test_two_devices_learn_and_the_h5_answers_by_itself(facts: dict[str, Any]) -> None:
    assert facts["cnn on two"][-1] < facts["cnn on two"][0]
    assert facts["cnn on two, stopped"]["accuracy"] > 0.6


def test_two_devices_go_on_from_a_checkpoint_within_an_epoch(facts: dict[str, Any]) -> None:
    assert facts["cnn on two, stopped"]["losses"] == pytest.approx(facts["cnn on two"], rel=1e-3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
