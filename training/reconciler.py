"""Every half minute: what waits is nudged, what was abandoned is taken back. Two at once do no harm."""

from __future__ import annotations

import logging

from training.errors import N_, TrainingError
from training.models import PictureImport, TrainingRun

log = logging.getLogger(__name__)


class Abandoned(TrainingError):
    """A run's processes died too often."""


def reconcile() -> None:
    for run in TrainingRun.objects.orphaned():
        take_back(run)
    for run in TrainingRun.objects.queued():
        run.nudge()
    for each in PictureImport.objects.waiting():
        each.nudge()


def take_back(run: TrainingRun) -> None:
    """A run whose process says nothing any more waits again, or has failed after the last attempt."""
    if run.cancel_requested:
        run.end_cancelled()
    elif run.attempts >= TrainingRun.MAX_ATTEMPTS:
        run.fail(
            Abandoned(
                N_("The run was cut off %(attempts)d times in a row. Look whether the machine has enough memory."),
                attempts=run.attempts,
            )
        )
    elif run.requeue():
        log.warning("%s was cut off and waits again", run)
