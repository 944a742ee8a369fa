"""Jobs are claimed, cut off, cancelled and given back as runs are, in processes of their own."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from tests.processes import is_alive
from training import queue, tasks
from training.errors import LeaseLost
from training.models import Job, Recognizer
from training.runs import supervisor
from training.runs.reconciler import reconcile

pytestmark = pytest.mark.usefixtures("stopping")

State = Job.State
SLEEPS = "import os, time; open(os.environ['DATA_DIR'] + '/pid', 'w').write(str(os.getpid())); time.sleep(60)"
FINISHES = """
import sys, django
django.setup()
from training.models import Job
_, kind, key, lease, parent = sys.argv
Job.objects.get(pk=key, lease=lease).finish({"kind": kind})
"""


@pytest.fixture
def trainer_does(_real_processes: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a line of Python in the trainer's place."""
    return lambda code: monkeypatch.setattr(supervisor, "TRAINER", (sys.executable, "-c", code))


@pytest.fixture
def job(recognizer: Recognizer) -> Job:
    return recognizer.jobs.create(kind=Job.Kind.DRY_RUN, params={"batch_size": 16})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The nudges, instead of a broker."""
    nudges: list[tuple[str, int]] = []
    monkeypatch.setattr(queue, "nudge", lambda task, pk, **options: nudges.append((task, pk)))
    return nudges


def pid_file() -> Path:
    return Path(settings.DATA_DIR) / "pid"


def once_it_sleeps(then: Callable[[Job], object]) -> Callable[[Job], None]:
    """Does something when the process in the trainer's place has said its id."""

    def watch(job: Job) -> None:
        if pid_file().exists() and pid_file().read_text() and job.state == State.WORKING:
            then(job)

    return watch


def kill(job: Job) -> None:
    os.kill(int(pid_file().read_text()), signal.SIGKILL)
    pid_file().unlink()


# --- its own process


def test_a_job_task_that_runs_twice_works_once(job: Job, trainer_does: Callable[[str], None]) -> None:
    trainer_does(FINISHES)

    for _ in range(2):
        tasks.carry_out_job(job.pk)

    job.refresh_from_db()
    assert (job.state, job.result, job.progress, job.attempts) == (State.DONE, {"kind": "job"}, 1, 1)
    assert not any((Path(settings.DATA_DIR) / "jobs").iterdir())


def test_a_job_whose_process_was_killed_waits_again_and_fails_at_the_third_time(
    job: Job, trainer_does: Callable[[str], None]
) -> None:
    trainer_does(SLEEPS)

    states = []
    for _ in range(3):
        supervisor.carry_out(job, once_it_sleeps(kill))
        job.refresh_from_db()
        states.append(job.state)

    assert states == [State.QUEUED, State.QUEUED, State.FAILED]
    assert "Stopped 3 times in a row" in job.error
    assert "Its process was killed from outside (signal 9)" in job.error


def test_a_cancelled_job_ends_its_process(job: Job, trainer_does: Callable[[str], None]) -> None:
    trainer_does(SLEEPS)

    supervisor.carry_out(job, once_it_sleeps(Job.request_cancel))

    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert not is_alive(int(pid_file().read_text()))


def test_a_worker_that_goes_away_gives_the_job_back(
    job: Job, stopping: threading.Event, trainer_does: Callable[[str], None]
) -> None:
    trainer_does(SLEEPS)

    supervisor.carry_out(job, once_it_sleeps(lambda job: stopping.set()))

    job.refresh_from_db()
    assert (job.state, job.attempts) == (State.QUEUED, 0)


def test_a_job_that_is_deleted_takes_its_process_along(
    job: Job, recognizer: Recognizer, trainer_does: Callable[[str], None]
) -> None:
    trainer_does(SLEEPS)

    assert supervisor.carry_out(job, once_it_sleeps(lambda job: recognizer.remove()))

    assert not is_alive(int(pid_file().read_text()))


# --- its row


def test_only_one_worker_gets_a_job(job: Job) -> None:
    seen_before = Job.objects.get()

    assert job.claim("jobs@a")
    assert not seen_before.claim("jobs@b")


def test_who_lost_its_job_writes_no_more(job: Job) -> None:
    job.claim("jobs@a")
    held = Job.objects.get()
    job.requeue()
    Job.objects.get().claim("jobs@b")

    with pytest.raises(LeaseLost):
        held.finish({})


def test_a_job_that_waits_is_nudged_whether_or_not_a_worker_trains(job: Job, sent: list[tuple[str, int]]) -> None:
    reconcile()

    assert sent == [(queue.CARRY_OUT_JOB, job.pk)]


def test_a_job_that_was_abandoned_waits_again(job: Job, sent: list[tuple[str, int]]) -> None:
    job.claim("jobs@a")
    Job.objects.update(heartbeat=timezone.now() - timedelta(minutes=2))

    reconcile()

    job.refresh_from_db()
    assert job.state == State.QUEUED
    assert "jobs@a was cut off" in job.interruption
    assert (queue.CARRY_OUT_JOB, job.pk) in sent


def test_a_job_never_lies_behind_a_training() -> None:
    assert settings.CELERY_TASK_ROUTES[queue.CARRY_OUT_JOB] == {"queue": queue.JOBS}
    assert settings.CELERY_TASK_ROUTES[queue.TRAIN_RUN] == {"queue": queue.TRAIN}
