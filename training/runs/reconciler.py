"""Every half minute: what waits is nudged, what was abandoned is taken back. Two at once do no harm."""

from __future__ import annotations

import logging

from training.errors import TrainerDied
from training.messages import N_
from training.models import Job, PictureImport, Search, TrainingRun, Worker
from training.models.leases import Leased

NUDGE_SECONDS = 60  # the next round sends another; workers that are busy for hours must not find thousands

log = logging.getLogger(__name__)


def reconcile() -> None:
    take_back()
    nudge_what_waits()


def take_back() -> None:
    """What was abandoned waits again or has failed, and searches move on."""
    for row in [*TrainingRun.objects.orphaned(), *Job.objects.orphaned(), *PictureImport.objects.orphaned()]:
        recover(row)
    for search in Search.objects.unfinished():  # whoever was to queue its next trial may have died before
        search.move_on()


def nudge_what_waits() -> None:
    workers = Worker.objects.alive()
    can_train, has_gpu = workers.exists(), workers.with_gpu().exists()
    for run in TrainingRun.objects.queued().order_by("pk"):
        if has_gpu if run.needs_gpu else can_train:  # a worker that comes looks around by itself
            run.nudge(expires=NUDGE_SECONDS)
    for row in [*Job.objects.queued().order_by("pk"), *PictureImport.objects.queued().order_by("pk")]:
        row.nudge(expires=NUDGE_SECONDS)


def recover(row: Leased) -> None:
    """A row whose process says nothing any more waits again, or has failed after the last attempt."""
    silent = TrainerDied(N_("The worker %(owner)s was cut off or lost its connection."), owner=row.owner)
    if row.interrupt(silent, silent_since=row.heartbeat):
        log.warning("%s was cut off and is taken back", row)
