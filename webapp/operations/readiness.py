"""Whether what the site stands on works: database, store, published versions, Redis.

Each check looks in a thread of its own, never in two at once, and whoever asks waits PATIENCE_SECONDS for it and no
longer: of a check that hangs (a locked SQLite file makes a write wait 20 s) it is said that it hangs. A look is
believed for a while, so that a probe every second, or ten at once, cost next to nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import redis
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from classifier.engine import engine
from training import storage
from training.disk import NOTHING_IS_TAKEN, check_room
from training.messages import UserFacingError
from training.models import ModelVersion

PATIENCE_SECONDS = 3.0
REDIS_SECONDS = 1.0
PROBE = f"readyz/{socket.gethostname()}-{os.getpid()}"  # name of a file in the store
PROBE_BYTES = b"Discern was here"
VERSION_SECONDS = 60.0

answered_at: dict[int, float] = {}  # by version

log = logging.getLogger(__name__)


class NotKept(Exception):
    """The store gives back something else than it was given."""


class NoAnswer(Exception):
    """Published versions do not answer as they should."""


@dataclass(frozen=True)
class Result:
    """What one look came to."""

    status: Literal["ok", "degraded", "failed"]
    milliseconds: float
    error: str = ""

    def as_dict(self, *, with_details: bool) -> dict[str, Any]:
        if not with_details:
            return {"status": self.status}
        return {"status": self.status, "milliseconds": round(self.milliseconds, 1)} | (
            {"error": self.error} if self.error else {}
        )


class Check:
    """One thing the site stands on; safe in threads.

    Args:
        look: returns where all is well, raises where not.
        fresh_seconds: how long a look is believed.
        is_dispensable: whether visitors are answered without it.
    """

    def __init__(self, look: Callable[[], None], fresh_seconds: float, *, is_dispensable: bool = False) -> None:
        self._look = look
        self._trouble: Literal["degraded", "failed"] = "degraded" if is_dispensable else "failed"
        self._fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._started = float("-inf")  # of the latest look, as time.monotonic() counts
        self._done = threading.Event()
        self._done.set()
        self._result: Result | None = None

    def start(self) -> None:
        """Look, unless somebody is looking or has just done so."""
        with self._lock:
            if not self._done.is_set() or time.monotonic() - self._started < self._fresh_seconds:
                return
            self._started = time.monotonic()
            self._done.clear()
        threading.Thread(target=self._run, daemon=True).start()

    def result(self) -> Result:
        """The latest look; one that takes longer than PATIENCE_SECONDS has failed as long as it takes."""
        waited = time.monotonic() - self._started
        if self._done.wait(max(0.0, PATIENCE_SECONDS - waited)) and self._result:
            return self._result
        waited = time.monotonic() - self._started
        return Result(self._trouble, waited * 1000, f"no answer for {waited:.0f} s")

    def forget(self) -> None:
        """Let the next probe look anew."""
        self._started = float("-inf")

    def _run(self) -> None:
        error = ""
        try:
            self._look()
        except Exception as caught:  # whatever it is, it is the answer
            error = f"{type(caught).__name__}: {str(caught).strip()}"
            if self._result is None or self._result.status == "ok":  # said once, however often it is asked
                log.error("Not ready, %s: %s", self._look.__name__, error)
        finally:
            connection.close()  # this thread's own
            milliseconds = (time.monotonic() - self._started) * 1000
            self._result = Result(self._trouble if error else "ok", milliseconds, error)
            self._done.set()


def write_database() -> None:
    """Write a row and take it back."""
    with transaction.atomic():
        Session.objects.create(session_key="readyz", expire_date=timezone.now() + timedelta(minutes=1))
        transaction.set_rollback(True)


def keep_file() -> None:
    storage.keep_bytes(PROBE_BYTES, PROBE)
    try:
        if storage.local_path(PROBE).read_bytes() != PROBE_BYTES:
            raise NotKept(f"{PROBE} came back changed")
    finally:
        storage.forget(PROBE)


def ask_versions() -> None:
    """Every published version opens and answers its golden picture.

    One that did is believed for a minute: where more are published than stay open, asking means opening it again.
    """
    errors = []
    for version in ModelVersion.objects.filter(is_active=True).select_related("recognizer"):
        if time.monotonic() - answered_at.get(version.pk, float("-inf")) < VERSION_SECONDS:
            continue
        try:
            engine.check(version.recognizer)
        except UserFacingError as error:
            errors.append(f"{version}: {error}")
        else:
            answered_at[version.pk] = time.monotonic()
    if errors:
        raise NoAnswer("; ".join(errors))


def ping_redis() -> None:
    address = settings.REDIS_URL.replace("redis+socket://", "unix://")  # Celery's word for it
    with redis.Redis.from_url(
        address, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, retry=Retry(NoBackoff(), 0)
    ) as client:
        client.ping()


def see_room() -> None:
    """Raises: DiskFull where uploads and trainings are refused for want of room."""
    check_room(NOTHING_IS_TAKEN)


checks = {
    "database": Check(write_database, fresh_seconds=1),
    "storage": Check(keep_file, fresh_seconds=5),
    "versions": Check(ask_versions, fresh_seconds=5),
    "disk": Check(see_room, fresh_seconds=5, is_dispensable=True),
    "redis": Check(ping_redis, fresh_seconds=1, is_dispensable=True),  # only signing in waits
}


def look() -> dict[str, Result]:
    """Every check's result by name, within PATIENCE_SECONDS."""
    for check in checks.values():
        check.start()
    return {name: check.result() for name, check in checks.items()}


def overall(results: dict[str, Result]) -> str:
    """ready, degraded or failed: as the worst of them is."""
    found = {result.status for result in results.values()}
    return "failed" if "failed" in found else "degraded" if "degraded" in found else "ready"
