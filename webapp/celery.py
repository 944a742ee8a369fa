"""The Celery application: `celery -A webapp worker`."""

from __future__ import annotations

import os
import warnings
from typing import Any

from celery import Celery, bootsteps
from celery.exceptions import SecurityWarning

warnings.simplefilter("ignore", SecurityWarning)  # of root; webapp/start.py says it once, for the whole site

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")  # the start has made them; here they would load every page
app = Celery("discern")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


class LookAround(bootsteps.StartStopStep):
    """Whenever a worker reaches the broker (again), what was queued meanwhile begins, not at the next half minute."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        from training.outages import AWAY
        from training.runs.reconciler import reconcile  # its rows want Django set up

        try:
            reconcile()
        except AWAY:  # the clock will
            return


class LookWhenIdle(bootsteps.StartStopStep):
    """An idle worker finds what waits, broker or none. It is a step of the worker: the consumer waits for a broker.

    The pool has as many threads as the worker may do things at once; what is handed to it stands in line with messages,
    and ends with a shutdown as they do.
    """

    requires = ("celery.worker.components:Pool",)

    def include_if(self, parent: Any) -> bool:
        from celery.concurrency.thread import TaskPool  # the web process does without a worker's modules

        return issubclass(parent.pool_cls, TaskPool)  # the Procfile's; others take work from their own thread alone

    def create(self, parent: Any) -> Any:
        from celery.worker.state import active_requests

        from training.runs.idle import IdleLooks

        return IdleLooks(
            parent.hostname,
            frozenset(parent.app.amqp.queues.consume_from),
            num_threads=parent.concurrency,
            num_busy=lambda: len(active_requests),
            hand_over=lambda do: parent.pool.apply_async(do, callback=bool),  # a pool calls back with what came of it
        )


app.steps["consumer"].add(LookAround)
app.steps["worker"].add(LookWhenIdle)
