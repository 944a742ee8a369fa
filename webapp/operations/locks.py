"""Locks below DATA_DIR that the kernel keeps: they go with the processes that hold them, however these end.

A file says who holds one; it may be out of date, the lock itself never is.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

PATIENCE_SECONDS = 3.0  # whoever looks holds a lock for a moment, and what was killed takes one to be gone
POLL_SECONDS = 0.1
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # of a network file system without them

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as it said itself."""

    pid: int
    host: str
    since: str  # ISO 8601, in UTC
    address: str = ""  # where it answers, if it does

    def __str__(self) -> str:
        where = f" at {self.address}" if self.address else ""
        return f"process {self.pid} on {self.host}{where}, since {self.since}"


class AlreadyHeld(Exception):
    """Somebody has the lock."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(str(holder or "another process"))
        self.holder = holder


def hold(path: Path, *, address: str = "", patience: float = PATIENCE_SECONDS) -> int:
    """Take a lock and say in its file that this process has it.

    It is held as long as the descriptor is open here, in what this process becomes by exec, or in a fork of either.

    Args:
        address: where the holder answers, for whoever is refused.
        patience: seconds in which whoever has it now may let go.
    Returns: the descriptor; what this process becomes inherits it.
    Raises: AlreadyHeld.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience
    while not _take(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise AlreadyHeld(_said(path))
        time.sleep(POLL_SECONDS)
    holder = Holder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"), address)
    said = json.dumps(asdict(holder)).encode() + b"\n"
    os.pwrite(descriptor, said, 0)
    os.ftruncate(descriptor, len(said))
    os.set_inheritable(descriptor, True)
    return descriptor


def check_free(path: Path, *, patience: float = PATIENCE_SECONDS) -> None:
    """Raises: AlreadyHeld where somebody has the lock and keeps it. Nothing is written."""
    deadline = time.monotonic() + patience
    while _is_held(path):
        if time.monotonic() > deadline:
            raise AlreadyHeld(_said(path))
        time.sleep(POLL_SECONDS)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _take(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        log.warning("The file system of DATA_DIR keeps no locks (%s): see to it that one site alone uses it", error)
    return True


def _said(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):  # it has only just been taken
        return None
