"""The Celery application: `celery -A webapp worker`."""

from __future__ import annotations

import os
import warnings
from typing import Any

from celery import Celery, bootsteps
from celery.exceptions import SecurityWarning

warnings.simplefilter("ignore", SecurityWarning)  # of root; webapp/start.py says it once, for the whole site

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
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


app.steps["consumer"].add(LookAround)
