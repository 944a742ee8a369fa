from __future__ import annotations

import os
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.utils import timezone

from tests.drawings import shapes_zip
from training import queue, storage, tasks
from training.config import TrainingConfig
from training.hardware import Hardware
from training.models import Recognizer, TrainingRun
from training.runs import presence as presence_module
from training.runs import supervisor, waiting
from training.runs.presence import Does, presence


@pytest.fixture
def run(recognizer: Recognizer) -> TrainingRun:
    return recognizer.runs.create(config=TrainingConfig.for_network("cnn").to_dict())


class Consumer:
    """What Celery sends along when a worker of these queues is ready."""

    hostname = "train@here"

    def __init__(self, *queues: str, events: list[str]) -> None:
        self.app = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=queues)))
        self.events = events

    def add_task_queue(self, name: str) -> None:
        self.events.append(f"also takes {name}")


@pytest.mark.usefixtures("_real_processes")
def test_an_import_task_that_runs_twice_reads_once(recognizer: Recognizer) -> None:
    storage.keep_bytes(shapes_zip(2), "imports/1.zip")
    row = recognizer.imports.create(name="shapes.zip", archive="imports/1.zip")

    for _ in range(2):
        tasks.read_import(row.pk)

    row.refresh_from_db()
    assert (row.num_taken, row.num_refused) == (4, 0)


@pytest.mark.usefixtures("_real_processes")
def test_a_training_task_that_runs_twice_trains_once(run: TrainingRun) -> None:
    for _ in range(2):
        tasks.train_run(run.pk)

    run.refresh_from_db()
    assert (run.state, run.attempts, run.lease) == (TrainingRun.State.FAILED, 1, 1)  # for want of pictures


@pytest.mark.usefixtures("_real_processes")
def test_after_a_run_the_machine_it_ran_on_is_cleaned_up(run: TrainingRun) -> None:
    unused = storage.working_folder("cache/pixels") / "unused.npy"
    unused.touch()
    os.utime(unused, (0, 0))

    tasks.train_run(run.pk)

    assert not unused.exists()


def test_a_worker_that_shuts_down_stops_its_training() -> None:
    try:
        worker_shutting_down.send(sender="worker", sig="TERM", how="Warm", exitcode=0)

        assert supervisor.stopping.is_set()
    finally:
        supervisor.stopping.clear()


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_starts_begins_what_was_queued_while_none_was_there(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    nudged: list[int] = []
    monkeypatch.setattr(TrainingRun, "nudge", lambda run, **options: nudged.append(run.pk))

    try:
        worker_ready.send(sender=Consumer("train", events=[]))

        assert nudged == [run.pk]
    finally:
        presence.end()


@pytest.mark.parametrize(
    ("queues", "gpus", "events"),
    [
        (["housekeeping"], (), []),
        (["housekeeping"], ("A GPU",), []),
        (["jobs"], ("A GPU",), []),
        (["imports"], ("A GPU",), ["reports as train@here, reads imports"]),
        (["train"], (), ["reports as train@here, trains"]),
        (["train"], ("A GPU",), ["also takes train-gpu", "reports as train@here, trains"]),
        (["train", "imports"], (), ["reports as train@here, trains, reads imports"]),
    ],
)
@pytest.mark.django_db
def test_only_workers_that_train_or_read_report_and_only_one_that_trains_on_a_gpu_takes_what_waits_for_one(
    queues: list[str], gpus: tuple[str, ...], events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    for module in (tasks, presence_module):
        monkeypatch.setattr(module, "this_machine", lambda: Hardware(gpus, "A CPU", 2, 10**9))

    def begin(name: str, hardware: Hardware, does: Does) -> None:
        said = [what.replace("_", " ") for what, is_so in does._asdict().items() if is_so]
        happened.append(", ".join([f"reports as {name}", *said]))

    monkeypatch.setattr(presence, "begin", begin)

    worker_ready.send(sender=Consumer(*queues, events=happened))

    assert happened == events


def test_a_worker_that_has_shut_down_is_no_longer_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []
    monkeypatch.setattr(presence, "end", lambda: ended.append(True))

    worker_shutdown.send(sender="worker")

    assert ended == [True]


@pytest.mark.parametrize(("gpus", "state"), [((), "queued"), (("A GPU",), "failed")])
@pytest.mark.usefixtures("_real_processes")
def test_a_run_that_waits_for_a_gpu_is_left_alone_by_a_worker_without_one(
    gpus: tuple[str, ...], state: str, run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    TrainingRun.objects.update(needs_gpu=True)
    monkeypatch.setattr(waiting, "this_machine", lambda: Hardware(gpus, "A CPU", 2, 10**9))

    tasks.train_run(run.pk)

    run.refresh_from_db()
    assert run.state == state  # failed for want of pictures


@pytest.mark.parametrize(("needs_gpu", "to"), [(False, None), (True, "train-gpu")])
def test_a_nudge_sends_the_tasks_name_and_the_rows_key_to_those_who_may_take_it(
    needs_gpu: bool, to: str | None, run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, list[int], str | None]] = []
    monkeypatch.setattr(
        "celery.app.base.Celery.send_task",
        lambda app, name, args, queue, **options: sent.append((name, args, queue)),
    )
    run.needs_gpu = needs_gpu

    run.nudge()

    assert sent == [("training.train_run", [run.pk], to)]


@pytest.mark.parametrize("error", [ConnectionError("refused"), TimeoutError("slow"), RuntimeError("odd")])
def test_a_broker_that_does_not_answer_harms_nobody(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def send(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr("celery.app.base.Celery.send_task", send)

    queue.nudge(queue.TRAIN_RUN, 7)

    assert f"training.train_run(7) was not sent, an idle worker will find it: {error}" in caplog.text


def test_the_names_that_are_sent_are_those_of_tasks() -> None:
    from webapp.celery import app

    app.loader.import_default_modules()

    assert {queue.TRAIN_RUN, queue.READ_IMPORT, queue.CARRY_OUT_JOB, "training.reconcile"} <= set(app.tasks)


def test_reconciling_twice_is_as_good_as_once(run: TrainingRun) -> None:
    run.claim("host:1")
    TrainingRun.objects.update(heartbeat=timezone.now() - timedelta(minutes=2))

    for _ in range(2):
        tasks.reconcile()

    run.refresh_from_db()
    assert (run.state, run.attempts) == (TrainingRun.State.QUEUED, 1)
