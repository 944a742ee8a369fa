from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from training import queue
from training.config import TrainingConfig
from training.models import PictureImport, Recognizer, TrainingRun, Worker
from training.runs.reconciler import reconcile

State = TrainingRun.State
SILENT = timedelta(minutes=2)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The nudges, instead of a broker."""
    nudges: list[tuple[str, int]] = []
    monkeypatch.setattr(queue, "nudge", lambda task, pk, **options: nudges.append((task, pk)))
    return nudges


@pytest.fixture
def run(recognizer: Recognizer) -> TrainingRun:
    return recognizer.runs.create(config=TrainingConfig.for_network("cnn").to_dict())


@pytest.fixture
def orphan(run: TrainingRun) -> TrainingRun:
    run.claim("host:1")
    TrainingRun.objects.update(heartbeat=timezone.now() - SILENT)
    return run


@pytest.fixture
def worker(db: None) -> Worker:
    now = timezone.now()
    return Worker.objects.create(
        name="train@host", host="host", device="CPU", num_cores=2, memory_bytes=1, started_at=now, seen_at=now
    )


@pytest.mark.usefixtures("worker")
def test_a_waiting_run_is_nudged(run: TrainingRun, sent: list[tuple[str, int]]) -> None:
    reconcile()

    assert sent == [(queue.TRAIN_RUN, run.pk)]


def test_a_run_that_lives_is_left_alone(run: TrainingRun, sent: list[tuple[str, int]]) -> None:
    run.claim("host:1")

    reconcile()

    run.refresh_from_db()
    assert (run.state, sent) == (State.PREPARING, [])


def test_nobody_is_nudged_where_no_worker_is(run: TrainingRun, sent: list[tuple[str, int]]) -> None:
    reconcile()

    assert sent == []


@pytest.mark.parametrize(("num_gpus", "is_nudged"), [(0, False), (1, True)])
def test_a_run_that_needs_a_gpu_is_nudged_where_a_worker_has_one(
    num_gpus: int, is_nudged: bool, run: TrainingRun, worker: Worker, sent: list[tuple[str, int]]
) -> None:
    TrainingRun.objects.update(needs_gpu=True)
    Worker.objects.update(num_gpus=num_gpus)

    reconcile()

    assert sent == ([(queue.TRAIN_RUN, run.pk)] if is_nudged else [])


@pytest.mark.usefixtures("worker")
def test_an_orphan_waits_again_and_is_nudged(orphan: TrainingRun, sent: list[tuple[str, int]]) -> None:
    reconcile()

    orphan.refresh_from_db()
    assert orphan.state == State.QUEUED
    assert sent == [(queue.TRAIN_RUN, orphan.pk)]


def test_an_orphan_has_failed_after_three_attempts(orphan: TrainingRun, sent: list[tuple[str, int]]) -> None:
    TrainingRun.objects.update(attempts=3)

    reconcile()

    orphan.refresh_from_db()
    assert (orphan.state, sent) == (State.FAILED, [])
    assert "Stopped 3 times in a row; last reason: The worker host:1 was cut off" in orphan.error


def test_an_orphan_that_was_to_be_cancelled_is_cancelled(orphan: TrainingRun, sent: list[tuple[str, int]]) -> None:
    orphan.request_cancel()

    reconcile()

    orphan.refresh_from_db()
    assert (orphan.state, sent) == (State.CANCELLED, [])


def test_ended_runs_are_left_alone(orphan: TrainingRun, sent: list[tuple[str, int]]) -> None:
    orphan.end_cancelled()

    reconcile()

    orphan.refresh_from_db()
    assert (orphan.state, sent) == (State.CANCELLED, [])


@pytest.mark.parametrize(
    ("state", "silence", "is_nudged"),
    [
        (PictureImport.State.QUEUED, None, True),
        (PictureImport.State.READING, SILENT, True),
        (PictureImport.State.READING, timedelta(0), False),
        (PictureImport.State.DONE, SILENT, False),
        (PictureImport.State.FAILED, SILENT, False),
        (PictureImport.State.CANCELLED, SILENT, False),
    ],
)
def test_imports_that_wait_or_were_abandoned_are_nudged(
    state: str, silence: timedelta | None, is_nudged: bool, recognizer: Recognizer, sent: list[tuple[str, int]]
) -> None:
    heartbeat = None if silence is None else timezone.now() - silence
    ended_at = timezone.now() if state in PictureImport.ENDED else None
    times = {"heartbeat": heartbeat, "ended_at": ended_at}
    row = recognizer.imports.create(name="a.zip", archive="imports/1.zip", state=state, **times)

    reconcile()

    assert sent == ([(queue.READ_IMPORT, row.pk)] if is_nudged else [])
