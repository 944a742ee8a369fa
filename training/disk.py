"""A disk that is full, by whatever name it is reported."""

from __future__ import annotations

import errno

from training.errors import DiskFull
from training.messages import N_

NUMBERS = (errno.ENOSPC, errno.EDQUOT)
SQLITE_SAYS = "database or disk is full"
POSTGRES_DISK_FULL = "53100"  # SQLSTATE


def has_no_room(error: BaseException) -> bool:
    """Whether the error is a file's that found no room."""
    return isinstance(error, OSError) and error.errno in NUMBERS


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is a disk without room: of a file, of SQLite or of PostgreSQL."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if has_no_room(error):
            return True
        if SQLITE_SAYS in str(error) or getattr(error, "sqlstate", None) == POSTGRES_DISK_FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def disk_full() -> DiskFull:
    """The refusal for it; nothing that was kept before is lost."""
    return DiskFull(
        N_("There is no room left on the disk. What was kept before is not lost; make room, then do this again.")
    )
