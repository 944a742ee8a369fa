"""The Celery edge: each task takes an id, claims the row and calls one function; it can run twice unharmed."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from training import queue
from training.hardware import this_machine, without_gpus
from training.models import Job, PictureImport, Search, TrainingRun
from training.runs import reconciler, retention, supervisor
from training.runs.presence import Does, presence


@shared_task(name=queue.TRAIN_RUN, bind=True)
def train_run(task: Any, run_id: int) -> None:
    run = TrainingRun.objects.filter(pk=run_id).first()
    owner = task.request.hostname or ""
    if run is not None and supervisor.carry_out(run, owner=owner, has_gpu=this_machine().has_gpu):
        for search in Search.objects.concerned_by(run):
            search.move_on()
        retention.follow(retention.FOLDER_RULES)  # the clock may be on another machine


@shared_task(name=queue.CARRY_OUT_JOB, bind=True)
def carry_out_job(task: Any, job_id: int) -> None:
    job = Job.objects.filter(pk=job_id).first()
    if job is not None:
        supervisor.carry_out(job, owner=task.request.hostname or "")  # no job waits for a GPU, so none is looked for
        retention.follow(retention.FOLDER_RULES)


@shared_task(name=queue.READ_IMPORT, bind=True)
def read_import(task: Any, import_id: int) -> None:
    row = PictureImport.objects.filter(pk=import_id).first()
    if row is not None:
        supervisor.carry_out(row, owner=task.request.hostname or "")


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
    does = Does(trains=queue.TRAIN in queues, reads_imports=queue.IMPORTS in queues)
    if does.trains and this_machine().has_gpu:
        sender.add_task_queue(queue.TRAIN_ON_GPU)
    if any(does):
        presence.begin(sender.hostname, this_machine() if does.trains else without_gpus(), does)
    reconciler.reconcile()


@worker_shutting_down.connect
def stop_training(**kwargs: Any) -> None:
    """A worker that goes away ends its trainer and queues the run again."""
    supervisor.stopping.set()


@worker_shutdown.connect
def leave(**kwargs: Any) -> None:
    presence.end()
