"""Rows that wait, and how a worker takes one: a message tells of it, or the worker is idle and looks.

A claim lets one of them win, so a row that is found twice is carried out once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from training import queue
from training.hardware import this_machine
from training.models import Job, PictureImport, Search, TrainingRun, Worker
from training.runs import retention, supervisor

CarryOut = Callable[[int, str], bool]  # takes a row's key and the worker's name

LEFT_TO_ITS_MESSAGE = timedelta(seconds=3)


class Waiting(NamedTuple):
    """A row that nobody has taken."""

    since: datetime
    pk: int
    carry_out: CarryOut


def train(run_id: int, owner: str) -> bool:
    """Claim a run and see it through; false where it is gone, waits no more or is not for this worker."""
    run = TrainingRun.objects.filter(pk=run_id).first()
    if run is None or not supervisor.carry_out(run, owner=owner, has_gpu=this_machine().has_gpu):
        return False
    for search in Search.objects.concerned_by(run):
        search.move_on()
    retention.follow(retention.FOLDER_RULES)  # the clock may be on another machine
    return True


def carry_out_job(job_id: int, owner: str) -> bool:
    """Claim a job and see it through; false where it is gone or waits no more."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None or not supervisor.carry_out(job, owner=owner):  # no job waits for a GPU, so none is looked for
        return False
    retention.follow(retention.FOLDER_RULES)
    return True


def read_import(import_id: int, owner: str) -> bool:
    """Claim an import and see it through; false where it is gone or waits no more."""
    row = PictureImport.objects.filter(pk=import_id).first()
    return row is not None and supervisor.carry_out(row, owner=owner)


def oldest(queues: Collection[str]) -> Waiting | None:
    """What has waited longest of all that a worker of these queues takes; what has just come is left to its message."""
    asked_before = timezone.now() - LEFT_TO_ITS_MESSAGE
    found = []
    for rows, carry_out in _taken_by(queues):
        row = rows.filter(cancel_requested=False, created_at__lt=asked_before).order_by("pk").first()
        if row is not None:
            found.append(Waiting(row.created_at, row.pk, carry_out))
    return min(found, key=lambda each: each.since, default=None)


def _taken_by(queues: Collection[str]) -> Iterator[tuple[Any, CarryOut]]:
    if queue.TRAIN in queues:
        runs = TrainingRun.objects.queued()
        yield runs if this_machine().has_gpu else runs.filter(needs_gpu=False), train
    if queue.JOBS in queues:
        yield Job.objects.queued(), carry_out_job
    if queue.IMPORTS in queues or (queue.HOUSEKEEPING in queues and not Worker.objects.reading_imports().exists()):
        yield PictureImport.objects.queued(), read_import
