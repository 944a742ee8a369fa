"""A database that is away for a while: restarted, locked, out of reach."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")
AWAY = (OperationalError, InterfaceError)
PAUSE_SECONDS = 1

log = logging.getLogger(__name__)


def outlasting(action: Callable[[], T], *, seconds: float = 45) -> T:
    """Do it, and do it again while the database is away.

    It must be harmless to do twice: a commit whose answer got lost may have taken place.

    Args:
        seconds: how long; by default less than it takes until a silent run is given to another process.
    Raises: whatever the last try raised.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except AWAY as error:
            connection.close()  # a broken one would never work again
            if time.monotonic() > deadline:
                raise
            log.warning("The database is away, trying again: %s", str(error).strip())
            time.sleep(PAUSE_SECONDS)
