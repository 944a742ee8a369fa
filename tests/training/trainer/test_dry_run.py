from __future__ import annotations

from pathlib import Path

import pytest

from tests.drawings import kept_drawings
from training.config import TrainingConfig
from training.data.manifest import Manifest, make_manifest
from training.hardware import available_bytes

pytestmark = pytest.mark.keras

CONFIG = TrainingConfig.for_network(
    "cnn", {"image_size": 16, "epochs": 4, "batch_size": 4, "filters": (4, 8), "augmentation": ("zoom",)}
)


def manifest(folder: Path) -> Manifest:
    return make_manifest(folder, kept_drawings(folder, 10))


def test_a_dry_run_takes_steps_and_foretells_the_rest(tmp_path: Path) -> None:
    from training.trainer.dry_run import END_SECONDS, START_SECONDS, dry_run

    found = dry_run(manifest(tmp_path), CONFIG, folder=tmp_path)

    steps = CONFIG.epochs * 4
    assert found.expected_seconds > START_SECONDS + END_SECONDS + steps * found.seconds_per_step > 0
    assert found.largest_batch == 1024


def test_the_largest_batch_halves_with_the_memory() -> None:
    from training.networks import build
    from training.trainer.dry_run import largest_batch

    network = build(CONFIG.changed({"image_size": 96, "augmentation": ()}), 2)

    assert largest_batch(network, 200_000_000) == 2 * largest_batch(network, 100_000_000)
    assert largest_batch(network, 1) == 1


def test_free_memory_is_read_from_the_system(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 5 kB\n")

    assert available_bytes(tmp_path / "meminfo") == 5 * 1024
