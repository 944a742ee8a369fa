"""The Celery application: `celery -A webapp worker`."""

from celery import Celery

app = Celery("discern")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
