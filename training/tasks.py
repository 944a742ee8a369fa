"""The Celery edge: each task takes an id and calls one function, which claims the row; it can run twice unharmed."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from training import queue
from training.hardware import this_machine
from training.runs import reconciler, supervisor, waiting
from training.runs.presence import announce, presence


@shared_task(name=queue.TRAIN_RUN, bind=True)
def train_run(task: Any, run_id: int) -> None:
    waiting.train(run_id, task.request.hostname or "")


@shared_task(name=queue.CARRY_OUT_JOB, bind=True)
def carry_out_job(task: Any, job_id: int) -> None:
    waiting.carry_out_job(job_id, task.request.hostname or "")


@shared_task(name=queue.READ_IMPORT, bind=True)
def read_import(task: Any, import_id: int) -> None:
    waiting.read_import(import_id, task.request.hostname or "")


@shared_task(name="training.reconcile")
def reconcile() -> None:
    reconciler.reconcile()


@worker_ready.connect
def take_up_work(sender: Any, **kwargs: Any) -> None:
    """What was queued while no worker was there begins at once, not at the next half minute.

    Args:
        sender: Celery's Consumer. It takes a further queue from here on, also after it lost its broker.
    """
    queues = sender.app.amqp.queues.consume_from
    if queue.TRAIN in queues and this_machine().has_gpu:
        sender.add_task_queue(queue.TRAIN_ON_GPU)
    announce(sender.hostname, queues)
    reconciler.reconcile()


@worker_shutting_down.connect
def stop_training(**kwargs: Any) -> None:
    """A worker that goes away ends its trainer and queues the run again."""
    supervisor.stopping.set()


@worker_shutdown.connect
def leave(**kwargs: Any) -> None:
    presence.end()
