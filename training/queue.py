"""Telling a worker that a row waits. The row is the truth: a nudge that gets lost costs half a minute, nothing else."""

from __future__ import annotations

import logging

from celery import current_app

TRAIN_RUN = "training.train_run"
READ_IMPORT = "training.read_import"

log = logging.getLogger(__name__)


def nudge(task: str, pk: int) -> None:
    """Send a task by name; where no broker answers, the reconciler finds the row later."""
    try:
        current_app.send_task(task, args=[pk], retry=False)
    except Exception as error:  # kombu, redis and socket each have their own
        log.warning("%s(%d) was not sent, the reconciler will find it: %s", task, pk, error)
