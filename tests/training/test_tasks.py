from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery.signals import worker_ready, worker_shutting_down
from django.utils import timezone

from tests.drawings import shapes_zip
from training import process, queue, storage, tasks
from training.config import TrainingConfig
from training.models import Recognizer, TrainingRun


@pytest.fixture
def run(recognizer: Recognizer) -> TrainingRun:
    return recognizer.runs.create(config=TrainingConfig.for_network("cnn").to_dict())


def test_an_import_task_that_runs_twice_reads_once(recognizer: Recognizer) -> None:
    storage.keep_bytes(shapes_zip(2), "imports/1.zip")
    row = recognizer.imports.create(name="shapes.zip", archive="imports/1.zip")

    for _ in range(2):
        tasks.read_import(row.pk)

    row.refresh_from_db()
    assert (row.num_taken, row.num_refused) == (4, 0)


@pytest.mark.usefixtures("_real_processes")
def test_a_training_task_that_runs_twice_trains_once(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TRAINER", ("true",))

    for _ in range(2):
        tasks.train_run(run.pk)

    run.refresh_from_db()
    assert (run.attempts, run.lease) == (1, 1)


def test_a_worker_that_shuts_down_stops_its_training() -> None:
    try:
        worker_shutting_down.send(sender="worker", sig="TERM", how="Warm", exitcode=0)

        assert process.stopping.is_set()
    finally:
        process.stopping.clear()


def test_a_worker_that_starts_begins_what_was_queued_while_none_was_there(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    nudged: list[int] = []
    monkeypatch.setattr(TrainingRun, "nudge", lambda run: nudged.append(run.pk))

    worker_ready.send(sender="worker")

    assert nudged == [run.pk]


def test_a_nudge_sends_the_tasks_name_and_the_rows_key(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, list[int]]] = []
    monkeypatch.setattr(
        "celery.app.base.Celery.send_task", lambda app, name, args, **options: sent.append((name, args))
    )

    run.nudge()

    assert sent == [("training.train_run", [run.pk])]


@pytest.mark.parametrize("error", [ConnectionError("refused"), TimeoutError("slow"), RuntimeError("odd")])
def test_a_broker_that_does_not_answer_harms_nobody(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def send(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr("celery.app.base.Celery.send_task", send)

    queue.nudge(queue.TRAIN_RUN, 7)

    assert f"training.train_run(7) was not sent, the reconciler will find it: {error}" in caplog.text


def test_the_names_that_are_sent_are_those_of_tasks() -> None:
    from webapp.celery import app

    app.loader.import_default_modules()

    assert {queue.TRAIN_RUN, queue.READ_IMPORT, "training.reconcile"} <= set(app.tasks)


def test_reconciling_twice_is_as_good_as_once(run: TrainingRun) -> None:
    run.claim("host:1")
    TrainingRun.objects.update(heartbeat=timezone.now() - timedelta(minutes=2))

    for _ in range(2):
        tasks.reconcile()

    run.refresh_from_db()
    assert (run.state, run.attempts) == (TrainingRun.State.QUEUED, 1)
