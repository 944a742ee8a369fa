"""The Celery edge of the site's own upkeep."""

from __future__ import annotations

from celery import shared_task

from webapp.operations import cleaning


@shared_task(name="webapp.clean_up")
def clean_up() -> None:
    cleaning.clean_up()
