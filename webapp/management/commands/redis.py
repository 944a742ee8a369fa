"""`manage.py redis`: the embedded Redis server in the foreground; with REDIS_URL set there is nothing to run."""

from __future__ import annotations

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from webapp.operations.embedded_redis import RedisRuns, become_server


class Command(BaseCommand):
    help = "Run the embedded Redis server, or wait where REDIS_URL names another."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.ENVIRONMENT.redis_url:
            self.stdout.write("REDIS_URL is set; the embedded server stays off.")
            signal.pause()  # the Procfile's processes end together, so this one must not end by itself
        try:
            become_server(settings.DATA_DIR)
        except RedisRuns as error:
            raise CommandError(str(error)) from error
