"""Telling a worker that a row waits. The row is the truth: a nudge that gets lost costs some seconds, nothing else."""

from __future__ import annotations

import logging
import threading

from celery import current_app

TRAIN_RUN = "training.train_run"
READ_IMPORT = "training.read_import"
CARRY_OUT_JOB = "training.carry_out_job"

TRAIN = "train"  # the queue that makes a worker one that trains
HOUSEKEEPING = "housekeeping"  # the clock's
JOBS = "jobs"  # what a person waits for at a page; never behind a training
IMPORTS = "imports"  # where a worker of their own reports; elsewhere the clock reads them, as all did once
TRAIN_ON_GPU = "train-gpu"  # what waits for a GPU lies apart, so that no worker without one swallows its nudge

LONGEST_WAIT_SECONDS = 1

log = logging.getLogger(__name__)


def nudge(task: str, pk: int, *, to: str | None = None, expires: int | None = None) -> None:
    """Send a task by name; where no broker answers, a worker that is idle finds the row.

    A broker that is frozen lets each of its answers run into a timeout; whoever nudges waits for one second of that.

    Args:
        to: the queue, where it is not the task's usual one.
        expires: seconds after which a worker throws the message away; by default it never does.
    """
    sending = threading.Thread(target=_send, args=(task, pk, to, expires), daemon=True)
    sending.start()
    sending.join(LONGEST_WAIT_SECONDS)


def _send(task: str, pk: int, to: str | None, expires: int | None) -> None:
    try:
        current_app.send_task(task, args=[pk], queue=to, expires=expires, retry=False)
    except Exception as error:  # kombu, redis and socket each have their own
        log.warning("%s(%d) was not sent, an idle worker will find it: %s", task, pk, error)
