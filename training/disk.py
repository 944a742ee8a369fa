"""A disk that is full, by whatever name it is reported, and the room on it that is left alone."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from training.errors import DiskFull
from training.messages import N_, Sentence

NUMBERS = (errno.ENOSPC, errno.EDQUOT)
SQLITE_SAYS = "database or disk is full"
POSTGRES_DISK_FULL = "53100"  # SQLSTATE
NOTHING_IS_TAKEN = N_("%(room)s Uploads, imports and trainings are refused until there is room.")
USUAL_FLOOR_BYTES, USUAL_FLOOR_SHARE = 500_000_000, 0.02  # the smaller one, where MIN_FREE_DISK says nothing


class Room(NamedTuple):
    """What a disk has left, and how much of it is to stay free, in bytes."""

    free: int
    floor: int

    @classmethod
    def of(cls, folder: Path) -> Room:
        """Raises: OSError where there is no such folder."""
        usage = shutil.disk_usage(folder)
        usual = min(USUAL_FLOOR_BYTES, int(USUAL_FLOOR_SHARE * usage.total))
        return cls(usage.free, usual if settings.MIN_FREE_DISK is None else settings.MIN_FREE_DISK)

    @property
    def is_short(self) -> bool:
        """Nothing more is taken."""
        return self.free < self.floor


def shortage(num_bytes: int = 0, folder: Path | None = None) -> Sentence | None:
    """What is said where so many more bytes would leave less than is to stay free; None where there is room.

    Args:
        folder: where they would lie; by default in DATA_DIR.
    """
    room = Room.of(folder or Path(settings.DATA_DIR))
    if not room.floor or room.free - num_bytes >= room.floor:
        return None
    params = {
        "folder": str(folder or "DATA_DIR"),
        "free": readable(room.free),
        "floor": readable(room.floor),
        "needed": readable(num_bytes),
    }
    if room.is_short:
        template = N_("The disk of %(folder)s has %(free)s left; %(floor)s are to stay free (MIN_FREE_DISK).")
    else:
        template = N_(
            "This needs %(needed)s. The disk of %(folder)s has %(free)s left; %(floor)s are to stay free "
            "(MIN_FREE_DISK)."
        )
    return {"template": template, "params": params}


def check_room(then: str, num_bytes: int = 0, folder: Path | None = None) -> None:
    """Look for room before it is taken.

    Args:
        then: template of what is said of it, with %(room)s for what is left.
    Raises: DiskFull where so many more bytes would leave less than is to stay free.
    """
    room = shortage(num_bytes, folder)
    if room:
        raise DiskFull(then, room=room)


def readable(num_bytes: int) -> str:
    """Bytes as people read them: 512 MB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if num_bytes >= size:
            return f"{num_bytes / size:.3g} {unit}" if num_bytes < 1000 * size else f"{num_bytes / size:,.0f} {unit}"
    return f"{num_bytes / 1000:.0f} kB"


def has_no_room(error: BaseException) -> bool:
    """Whether the error is a file's that found no room."""
    return isinstance(error, OSError) and error.errno in NUMBERS


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is a disk without room: of a file, of SQLite or of PostgreSQL."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, DiskFull) or has_no_room(error):
            return True
        if SQLITE_SAYS in str(error) or getattr(error, "sqlstate", None) == POSTGRES_DISK_FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def disk_full(num_bytes: int = 0) -> DiskFull:
    """The refusal where so many bytes found no room; nothing that was kept before is lost."""
    room = shortage(num_bytes)
    if room is None:
        return DiskFull(
            N_("There is no room left on the disk. What was kept before is not lost; make room, then do this again.")
        )
    return DiskFull(N_("%(room)s What was kept before is not lost; make room, then do this again."), room=room)
