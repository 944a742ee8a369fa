"""`manage.py redis`: the embedded Redis server in the foreground; with REDIS_URL set there is nothing to run."""

from __future__ import annotations

import os
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from webapp.operations.embedded_redis import server_command


class Command(BaseCommand):
    help = "Run the embedded Redis server, or wait where REDIS_URL names another."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ENVIRONMENT.redis_url:
            self.stdout.write("REDIS_URL is set; the embedded server stays off.")
            signal.pause()  # the Procfile's processes end together, so this one must not end by itself
        command = server_command(settings.DATA_DIR)
        os.execv(command[0], command)  # noqa: S606  our own server
