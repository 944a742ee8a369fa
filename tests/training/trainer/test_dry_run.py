from __future__ import annotations

from pathlib import Path

import pytest

from tests.drawings import kept_drawings
from training.config import TrainingConfig
from training.data.manifest import Manifest, make_manifest
from training.data.subsets import subset
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


def test_where_a_network_is_to_be_chosen_all_presets_are_foretold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainer import dry_run as module

    monkeypatch.setattr(module, "names_to_try", lambda *_: ["cnn"])
    monkeypatch.setattr(module, "settings_of", lambda _name, _manifest, preset, _side: CONFIG.changed(EPOCHS[preset]))

    found = module.dry_run_of_presets(manifest(tmp_path), CONFIG, folder=tmp_path, preset="quick")

    assert found.expected_seconds == found.presets["quick"] > module.SCRATCH_SECONDS
    assert found.presets["quick"] < found.presets["balanced"] < found.presets["thorough"]


def test_only_the_pictures_that_were_fetched_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.trainer import dry_run as module

    pictures = make_manifest(tmp_path, kept_drawings(tmp_path, 80))
    config = TrainingConfig.for_network("efficientnetlite0", {"image_size": 32})
    few = subset(pictures, {"train": 40})
    seen: list[int] = []
    monkeypatch.setattr(module, "names_to_try", lambda *_: ["efficientnetlite0", "efficientnetlite0and2", "cnn"])
    monkeypatch.setattr(module, "frozen_features", lambda *_: lambda pixels: seen.append(len(pixels)))
    for entry in pictures.entries:
        if entry not in few.entries:
            (Path(pictures.root) / entry.file).unlink()  # as where the store is a remote one

    found = module._time_choice(pictures, few, config.image_size, tmp_path)

    assert list(found) == ["efficientnetlite0"]
    assert seen == [1, module.ANSWERS]


EPOCHS = {"quick": {"epochs": 2}, "balanced": {"epochs": 20}, "thorough": {"epochs": 200}}


@pytest.mark.parametrize(
    ("preset", "accuracy", "seconds"),
    [
        # Lite0, Lite2: reading, answering, regressions; both side by side: regressions; less what is known then
        ("balanced", 0.9, 68 * ((0.01 + 0.1 + 0.02) + (0.01 + 0.2 + 0.02) + 2 * 0.02 - 0.1)),
        ("quick", 0.9, 68 * ((0.01 + 0.1 + 0.02) + (0.01 + 0.2 + 0.02) + 2 * 0.02 - 0.1)),
        ("quick", 0.7, 68 * ((0.01 + 0.1 + 0.02) + (0.01 + 0.2 + 0.02) + 2 * 0.02 - 0.1) + 40),
    ],
)
def test_a_choice_takes_what_its_candidates_take(
    preset: str, accuracy: float, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainer import dry_run as module

    scratch = ["cnn"] if preset == "quick" else []
    names = ["efficientnetlite0", "efficientnetlite2", "efficientnetlite0and2", *scratch]
    monkeypatch.setattr(module, "names_to_try", lambda *_: names)
    pictures = make_manifest(tmp_path, kept_drawings(tmp_path, 40))
    measured = module.Measured(0.01, 1.0, module.ProbeTiming(1.0, 0.1, 0.02, accuracy, False), {}, 1024)

    expected = measured.expected_of_choice(pictures, preset, {"efficientnetlite0": 0.1, "efficientnetlite2": 0.2})

    assert expected == pytest.approx(seconds)
