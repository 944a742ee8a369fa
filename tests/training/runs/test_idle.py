from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.processes import wait_until
from training.models import Job, Recognizer
from training.runs import idle, waiting
from training.runs.idle import IdleLooks

Start = Callable[..., IdleLooks]


@pytest.fixture
def start(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts the looks of a worker with one thread, for jobs."""
    monkeypatch.setattr(idle, "LOOK_EVERY_SECONDS", 0.05)
    begun: list[IdleLooks] = []
    with ThreadPoolExecutor(1) as pool:

        def begin(num_busy: int = 0) -> IdleLooks:
            looks = IdleLooks("jobs@here", {"jobs"}, num_threads=1, num_busy=lambda: num_busy, hand_over=pool.submit)
            begun.append(looks)
            looks.start()
            return looks

        yield begin
        for each in begun:
            each.stop()


@pytest.fixture
def jobs(recognizer: Recognizer) -> list[Job]:
    """Two that wait."""
    jobs = [recognizer.jobs.create(kind=Job.Kind.REVIEW) for _ in range(2)]
    Job.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    return jobs


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The keys of the jobs that were carried out, in order; each is claimed for it."""
    done: list[int] = []

    def carry_out(pk: int, owner: str) -> bool:
        is_claimed = Job.objects.get(pk=pk).claim(owner)
        done.append(pk)
        return is_claimed

    monkeypatch.setattr(waiting, "carry_out_job", carry_out)
    return done


def test_an_idle_worker_carries_out_all_that_waits_the_oldest_first(
    start: Start, jobs: list[Job], done: list[int]
) -> None:
    start()

    assert wait_until(lambda: len(done) == 2)
    assert done == [job.pk for job in jobs]
    assert {job.owner for job in Job.objects.all()} == {"jobs@here"}


def test_a_worker_that_has_enough_to_do_leaves_it(start: Start, jobs: list[Job], done: list[int]) -> None:
    looks = start(num_busy=1)

    threading.Event().wait(0.2)
    looks.stop()

    assert (done, Job.objects.queued().count()) == ([], 2)


def test_what_a_look_has_found_keeps_its_thread_until_it_is_done(
    start: Start, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = [], threading.Event()

    def carry_out(pk: int, owner: str) -> bool:
        begun.append(pk)
        return may_end.wait(10) and Job.objects.get(pk=pk).claim(owner)

    monkeypatch.setattr(waiting, "carry_out_job", carry_out)
    start()

    assert wait_until(lambda: len(begun) == 1)
    threading.Event().wait(0.2)
    assert begun == [jobs[0].pk]
    may_end.set()


def test_what_was_abandoned_is_taken_back_by_whoever_looks(start: Start, jobs: list[Job], done: list[int]) -> None:
    Job.objects.filter(pk=jobs[0].pk).update(
        state=Job.State.WORKING, lease=1, attempts=1, heartbeat=timezone.now() - timedelta(minutes=2)
    )

    start()

    assert wait_until(lambda: jobs[0].pk in done)


def test_a_look_that_fails_is_followed_by_another(
    start: Start, jobs: list[Job], done: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [OperationalError("the database is away")]

    def take_back() -> None:
        if errors:
            raise errors.pop()

    monkeypatch.setattr(idle, "take_back", take_back)

    start()

    assert wait_until(lambda: len(done) == 2)
    assert "jobs@here could not look for what waits: the database is away" in caplog.text
