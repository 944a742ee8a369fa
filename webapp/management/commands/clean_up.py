"""`manage.py clean_up`: what the clock does every hour, now and with a line for every rule."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from training.runs.retention import Removed
from webapp.operations import cleaning


class Command(BaseCommand):
    help = "Remove old checkpoints, files left over, unused caches and, where it is set, old answers."

    def handle(self, *args: Any, **options: Any) -> None:
        done = cleaning.clean_up()
        for name, removed in done.items():
            self.stdout.write(f"{name}: {_said(removed)}")
        failed = [name for name, removed in done.items() if removed is None]
        if failed:
            raise CommandError(f"Not cleaned up: {', '.join(failed)}. The log above says why; the rest is done.")


def _said(removed: Removed | None) -> str:
    if removed is None:
        return "failed"
    return f"{removed.count} removed" + (f", {filesizeformat(removed.num_bytes)}" if removed.num_bytes else "")
