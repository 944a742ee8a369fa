from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.types import AddPictures
from training import storage
from training.artifacts.files import sha256_of
from training.config import TrainingConfig
from training.data.manifest import Manifest
from training.errors import LeaseLost
from training.library.manifests import manifest_of_run
from training.models import Checkpoint, Recognizer, TrainingRun
from training.runs import trainer_process, training_run
from training.runs.failure_reasons import LOST_ITS_DATABASE, LOST_ITS_LEASE


@pytest.fixture(autouse=True)
def _no_handler_stays() -> Iterator[None]:
    before = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = before


@pytest.fixture
def run(recognizer: Recognizer) -> TrainingRun:
    run = recognizer.runs.create(config=TrainingConfig.for_network("cnn").to_dict())
    run.claim("host:1")
    return run


def training_that(outcome: Callable[[], object]) -> Callable[[TrainingRun], object]:
    """Stands in the training's place."""

    def train_run(run: TrainingRun) -> object:
        training_run.log.info("Here we go")
        return outcome()

    return train_run


def raiser(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


def test_the_log_of_a_run_leaves_the_remarks_of_other_libraries_out(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remark() -> None:
        logging.getLogger("absl").info("Assets written to: a temporary folder")
        logging.getLogger("absl").warning("the disk is slow")

    monkeypatch.setattr(training_run, "train_run", training_that(remark))
    monkeypatch.setattr(logging.getLogger(), "level", logging.INFO)

    trainer_process.main("run", run.pk, run.lease, os.getppid())

    run.refresh_from_db()
    assert "Here we go" in run.log
    assert "the disk is slow" in run.log
    assert "Assets written" not in run.log


def test_an_error_ends_the_run_with_its_sentence_and_the_log(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_run, "train_run", training_that(raiser(MemoryError())))

    code = trainer_process.main("run", run.pk, run.lease, os.getppid())

    run.refresh_from_db()
    assert (code, run.state) == (1, TrainingRun.State.FAILED)
    assert "Out of memory" in run.error
    assert "Here we go" in run.log
    assert "MemoryError" in run.log


def test_who_lost_its_lease_leaves_the_row_alone(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_run, "train_run", training_that(raiser(LeaseLost("Gone."))))

    assert trainer_process.main("run", run.pk, run.lease, os.getppid()) == LOST_ITS_LEASE

    run.refresh_from_db()
    assert run.state == TrainingRun.State.PREPARING


def test_a_lost_answer_to_the_commit_that_ended_the_run_is_no_failure(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_it_and_lose_the_answer() -> object:
        TrainingRun.objects.update(state=TrainingRun.State.SUCCEEDED, ended_at=timezone.now())
        raise LeaseLost("Gone.")

    monkeypatch.setattr(training_run, "train_run", training_that(end_it_and_lose_the_answer))

    assert trainer_process.main("run", run.pk, run.lease, os.getppid()) == 0


def test_a_database_that_stays_away_leaves_the_run_to_whoever_takes_it_up(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_run, "train_run", training_that(raiser(OperationalError("gone away"))))

    assert trainer_process.main("run", run.pk, run.lease, os.getppid()) == LOST_ITS_DATABASE

    run.refresh_from_db()
    assert run.state == TrainingRun.State.PREPARING


# --- what it goes on from


def stored(run: TrainingRun, epoch: int) -> Checkpoint:
    """A checkpoint with its file."""
    file = f"{run.folder}/{epoch}.npz"
    storage.keep_bytes(b"learned", file)
    sha256 = sha256_of(storage.local_path(file))
    run.record_checkpoint(epoch=epoch, step=0, file=file, sha256=sha256, num_bytes=7)
    return run.checkpoints.get(file=file)


@pytest.fixture
def manifest(run: TrainingRun, add_pictures: AddPictures) -> Manifest:
    for label in ("circle", "square"):
        add_pictures(run.recognizer, label=label, count=3)
    manifest = manifest_of_run(run)
    run.write(manifest_sha256=manifest.sha256)
    run.refresh_from_db()
    return manifest


def test_a_run_goes_on_from_its_newest_checkpoint(run: TrainingRun, manifest: Manifest) -> None:
    stored(run, 1)
    newest = stored(run, 2)

    assert training_run.newest_checkpoint(run, manifest) == newest.path


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"earned")])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    damage: Callable[[Path], object], run: TrainingRun, manifest: Manifest
) -> None:
    older = stored(run, 1)
    damage(stored(run, 2).path)

    assert training_run.newest_checkpoint(run, manifest) == older.path


def test_what_was_learned_on_other_pictures_is_forgotten(run: TrainingRun, manifest: Manifest) -> None:
    path = stored(run, 1).path

    assert training_run.newest_checkpoint(run, replace(manifest, class_names=["a", "b"])) is None
    assert not path.exists()


def test_a_run_that_goes_on_keeps_its_split_though_pictures_were_added(
    run: TrainingRun, manifest: Manifest, add_pictures: AddPictures
) -> None:
    add_pictures(run.recognizer, label="circle", count=3)

    assert manifest_of_run(run) == manifest


def test_a_run_whose_picture_was_deleted_meanwhile_splits_anew(
    run: TrainingRun, manifest: Manifest, add_pictures: AddPictures
) -> None:
    add_pictures(run.recognizer, label="circle", count=1)
    run.recognizer.pictures.filter(sha256=manifest.entries[0].sha256).delete()

    assert len(manifest_of_run(run).entries) == len(manifest.entries)
    assert manifest_of_run(run) != manifest


PULSE_ALONE = """
import os, sys, time, django
django.setup()
from training.runs import trainer_process
from training.models import TrainingRun
trainer_process.PULSE_SECONDS = 0.05
pulse = trainer_process.Pulse(TrainingRun.objects.get(), os.getppid())
pulse.lines.append("a line")
pulse.start()
time.sleep(60)
"""


@pytest.mark.usefixtures("_real_processes")
def test_the_pulse_keeps_the_log_in_the_row_and_ends_a_process_that_lost_its_lease(run: TrainingRun) -> None:
    process = subprocess.Popen([sys.executable, "-c", PULSE_ALONE])

    while process.poll() is None and not TrainingRun.objects.filter(log="a line").exists():
        time.sleep(0.02)
    run.requeue()

    assert process.wait(20) == LOST_ITS_LEASE
