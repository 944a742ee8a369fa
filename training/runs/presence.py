"""A worker says in a row what it has and does, and every ten seconds that it is still there."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Collection
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from training import queue
from training.hardware import Hardware, this_machine, without_gpus
from training.models import Worker

SEEN_EVERY_SECONDS = 10

log = logging.getLogger(__name__)


class Does(NamedTuple):
    """What a worker takes."""

    trains: bool
    reads_imports: bool


TRAINS = Does(trains=True, reads_imports=False)


class Presence:
    """Keeps the row of this process's worker fresh while it works. A database that is away stops neither."""

    def __init__(self) -> None:
        self._beginning = threading.Lock()
        self._has_left = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, name: str, hardware: Hardware, does: Does = TRAINS) -> None:
        """Report now and from now on as the worker of this name; one that has begun goes on as it does."""
        with self._beginning:
            if self._thread:
                return
            self._has_left.clear()
            said = (name, hardware, timezone.now(), does)
            _try(report, *said)
            self._thread = threading.Thread(target=self._keep_reporting, args=said, daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Take the row away; where the database is away too, it is out of date within a minute."""
        self._has_left.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def _keep_reporting(self, name: str, hardware: Hardware, started_at: datetime, does: Does) -> None:
        while not self._has_left.wait(SEEN_EVERY_SECONDS):
            _try(report, name, hardware, started_at, does)
        _try(leave, name, started_at)


presence = Presence()


def announce(name: str, queues: Collection[str]) -> None:
    """Let a worker of these queues be seen, where others wait for what it does; it may be announced again."""
    does = Does(trains=queue.TRAIN in queues, reads_imports=queue.IMPORTS in queues)
    if any(does):
        presence.begin(name, this_machine() if does.trains else without_gpus(), does)


def report(name: str, hardware: Hardware, started_at: datetime, does: Does = TRAINS) -> None:
    """Write the worker's row, also where somebody has deleted it."""
    now = timezone.now()
    values = {
        "host": socket.gethostname(),
        "device": hardware.device,
        "num_gpus": len(hardware.gpus),
        "num_cores": hardware.num_cores,
        "memory_bytes": hardware.memory_bytes,
        **does._asdict(),
        "started_at": started_at,
        "seen_at": now,
    }
    Worker.objects.update_or_create(name=name, defaults=values)


def leave(name: str, started_at: datetime) -> None:
    """Delete the worker's row, unless a successor of the same name has it by now."""
    Worker.objects.filter(name=name, started_at=started_at).delete()


def _try(action: Callable[..., None], *args: object) -> None:
    """A broken connection is closed, so that the next try gets a new one."""
    try:
        action(*args)
    except Exception as error:
        log.warning("The worker's row could not be written: %s", error)
    finally:
        connection.close()
