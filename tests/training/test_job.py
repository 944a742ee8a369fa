from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from training import job
from training.config import TrainingConfig
from training.errors import LeaseLost, TooFewPictures
from training.models import ModelVersion, Recognizer, TrainingRun


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
        job.log.info("Here we go")
        return outcome()

    return train_run


def raiser(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "Out of memory at batch size 8. Try batch size 4"),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), "Out of memory at batch size 8"),
        (OSError(errno.ENOSPC, "No space", "/data/x"), "No space left on the disk (/data/x)"),
        (TooFewPictures("Too few."), "Too few."),
        (ValueError("odd"), "an error of its own: ValueError: odd"),
    ],
)
def test_every_error_becomes_a_sentence_that_says_what_to_do(error: Exception, sentence: str) -> None:
    assert sentence in str(job.explain(error, batch_size=8))


def test_an_error_ends_the_run_with_its_sentence_and_the_log(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "train_run", training_that(raiser(MemoryError())))

    code = job.main(run.pk, run.lease, os.getppid())

    run.refresh_from_db()
    assert (code, run.state) == (1, TrainingRun.State.FAILED)
    assert "Out of memory" in run.error
    assert "Here we go" in run.log
    assert "MemoryError" in run.log


def test_who_lost_its_lease_leaves_the_row_alone(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "train_run", training_that(raiser(LeaseLost("Gone."))))

    assert job.main(run.pk, run.lease, os.getppid()) == job.LOST_ITS_LEASE

    run.refresh_from_db()
    assert run.state == TrainingRun.State.PREPARING


def test_a_run_is_published_when_it_was_asked_for(
    run: TrainingRun, make_version: Callable[[Recognizer], ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    TrainingRun.objects.update(publish_when_done=True)
    version = make_version(run.recognizer)
    monkeypatch.setattr(job, "train_run", training_that(lambda: version))

    assert job.main(run.pk, run.lease, os.getppid()) == 0

    assert run.recognizer.active_version == version


PULSE_ALONE = """
import os, sys, time, django
django.setup()
from training import job
from training.models import TrainingRun
job.PULSE_SECONDS = 0.05
pulse = job.Pulse(TrainingRun.objects.get(), os.getppid())
pulse.lines.append("a line")
pulse.start()
time.sleep(60)
"""


@pytest.mark.usefixtures("_real_processes")
def test_the_pulse_keeps_the_log_in_the_row_and_ends_a_process_that_lost_its_lease(run: TrainingRun) -> None:
    process = subprocess.Popen([sys.executable, "-c", PULSE_ALONE])

    while process.poll() is None and not TrainingRun.objects.filter(log="a line").exists():
        time.sleep(0.02)
    run.give_back()

    assert process.wait(20) == job.LOST_ITS_LEASE
