"""A run's row keeps what its trainer tells: the network that was chosen, its parts, and what it was made with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from training.config import TrainingConfig
from training.data.manifest import Manifest
from training.devices import Device
from training.models import Recognizer, TrainingRun
from training.results.candidate import Candidate
from training.results.watched_picture import WatchedPicture
from training.runs.requests import RunRequest
from training.runs.training_run import RowReport, settle_network

WINNER = TrainingConfig.for_network("cnn", {"image_size": 48, "augmentation": ("flip", "zoom")})
WHY = {"template": "The small network is right on %(share)d of 100.", "params": {"share": 97}}
MANIFEST = Manifest("", ["a", "b"], [])


@pytest.fixture
def run(recognizer: Recognizer) -> TrainingRun:
    """A claimed run whose network is open."""
    run = recognizer.runs.create(**RunRequest.of(recognizer, preset="quick", settings={"seed": 5}).values())
    run.claim("host:1")
    return run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str, bool | None]]:
    """Seed, preset and what is known of mirrors that were asked for a network; the real selection trains a minute."""
    questions: list[tuple[int, str, bool | None]] = []

    def select_network(
        manifest: Manifest,
        config: TrainingConfig,
        preset: str,
        *,
        cache_folder: Path,
        side: int,
        is_mirror_safe: bool | None,
        watch: Callable[[list[Candidate]], object],
    ) -> tuple[TrainingConfig, Any]:
        questions.append((config.seed, preset, is_mirror_safe))
        watch([Candidate("efficientnetlite0", "done", 1.0, 0.9), Candidate("cnn", "works", 0.5)])
        return WINNER, WHY

    stand_in = SimpleNamespace(select_network=select_network)
    monkeypatch.setitem(sys.modules, "training.trainer.network_selection", stand_in)
    return questions


def test_the_network_that_is_chosen_is_kept_in_the_row(run: TrainingRun, asked: list[Any]) -> None:
    settle_network(run, MANIFEST)

    kept = TrainingRun.objects.get(pk=run.pk)
    assert asked == [(5, "quick", None)]
    assert (kept.training_config, kept.is_network_open) == (WINNER, False)
    assert kept.choice == "The small network is right on 97 of 100."
    assert [(each["network"], each["state"], each["accuracy"]) for each in kept.candidates] == [
        ("efficientnetlite0", "done", 0.9),
        ("cnn", "works", None),
    ]
    assert run.training_config == WINNER


def test_network_selection_knows_what_was_said_of_mirrored_pictures(run: TrainingRun, asked: list[Any]) -> None:
    run.recognizer.is_mirror_safe = False

    settle_network(run, MANIFEST)

    assert asked == [(5, "quick", False)]


def test_the_parts_of_an_attempt_and_what_it_is_made_with_are_kept(run: TrainingRun) -> None:
    report = RowReport(run)

    for part in ("choosing", "preparing", "training"):
        report.part(part)
    report.device(Device("cpu", "Some CPU × 2"))
    report.stage("converting")

    kept = TrainingRun.objects.get(pk=run.pk)
    assert set(kept.environment["parts"]) == {"choosing", "preparing", "training", "converting"}
    assert (kept.state, kept.environment["device"]) == ("evaluating", "Some CPU × 2")


def test_the_answers_to_watched_pictures_are_kept_from_epoch_to_epoch(run: TrainingRun) -> None:
    report = RowReport(run)

    report.answered(1, [WatchedPicture("one", "circle", ["square"])])
    report.answered(2, [WatchedPicture("one", "circle", ["circle"])])
    report.answered(3, [WatchedPicture("one", "circle", ["circle"])])
    report.answered(2, [WatchedPicture("one", "circle", ["square"])])  # a later attempt goes on after the first epoch

    kept = TrainingRun.objects.get(pk=run.pk).watched
    assert kept == [{"sha256": "one", "label": "circle", "answers": ["square", "square"]}]


def test_a_part_that_is_begun_twice_began_the_first_time(run: TrainingRun) -> None:
    report = RowReport(run)
    report.part("preparing")
    began = report.environment["parts"]["preparing"] = "2026-01-01T00:00:00+00:00"

    report.stage("preparing")

    assert TrainingRun.objects.get(pk=run.pk).environment["parts"] == {"preparing": began}
