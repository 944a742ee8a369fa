"""Takes a backup while uploads, trainings and deletions go on.

Files are stored before their rows and removed after them. So: copy the files that rows name now, which takes as long as
it takes; then hold one moment of the database, copy what came since, and write that moment's rows. A file that is gone
by then has lost its row in the meantime, and the next moment no longer names it; one that is named again was lost.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import Error as DatabaseTrouble
from django.db import connection

from training import storage
from training.artifacts.files import sha256_of, sync
from training.disk import check_room
from training.messages import N_
from webapp.errors import BackupNotTaken
from webapp.operations.backup.contents import (
    DESCRIPTION,
    FILES,
    FORMAT,
    ROWS,
    SUMS,
    Description,
    Show,
    discern_version,
    show_nobody,
    write_sums,
)
from webapp.operations.backup.rows import Rows, snapshot, write_rows
from webapp.operations.backup.stored_files import Copies, manifests, named_files

NOTHING_IS_KEPT = N_("%(room)s No backup was made; make room, or name a folder on another disk.")
LARGE_FOLDERS = ["pictures", "versions"]  # of the store
MAX_MOMENTS = 20  # each is needed only because a file was removed within the seconds of the one before


def take_backup(target: Path, show: Show = show_nobody) -> Description:
    """Write a backup; it has its name only once it is whole and on the disk.

    Args:
        target: a folder that does not exist yet, or is empty.
        show: told how far it is.
    Raises: BackupNotTaken; DiskFull where there would be less room left than is to stay free.
    """
    try:
        with _becoming(target) as folder:
            check_room(NOTHING_IS_KEPT, storage.bytes_below(LARGE_FOLDERS), folder.parent)
            copies = Copies(folder / FILES, show)
            copies.add([name for each in named_files() for name in each.names])
            return _finish(folder, copies)
    except OSError as error:
        raise BackupNotTaken(
            N_("The backup to %(folder)s broke off: %(reason)s. Nothing of it is kept; correct that and try again."),
            folder=str(target),
            reason=str(error),
        ) from error
    except DatabaseTrouble as error:
        raise BackupNotTaken(
            N_("The rows could not be read: %(reason)s. See to the database and try again."), reason=str(error).strip()
        ) from error


def _finish(folder: Path, copies: Copies) -> Description:
    """Write the rows of one moment, with all the files that they name. Raises: BackupNotTaken."""
    for _ in range(MAX_MOMENTS):
        lost = copies.gone.copy()  # before this moment; what it still names of these, the site itself has lost
        with snapshot():
            named = list(named_files())
            names = {name for each in named for name in each.names}
            copies.add(names)
            if copies.gone & names <= lost:
                unpromised = manifests()
                copies.add(unpromised)
                rows = write_rows(folder / ROWS, copies.show)
                copies.keep_only(names | unpromised)
                return _conclude(folder, copies, rows, unsound=copies.damaged(named) | copies.gone & names)
    raise BackupNotTaken(
        N_("Files are removed from the store faster than they can be copied. Try again at a quieter time.")
    )


def _conclude(folder: Path, copies: Copies, rows: Rows, unsound: set[str]) -> Description:
    """Write what the backup says of itself."""
    description = Description(
        format=FORMAT,
        discern=discern_version(),
        made_at=rows.at.isoformat(timespec="seconds"),
        database=connection.vendor,
        migrations=rows.migrations,
        rows=rows.numbers,
        num_files=len(copies.sums),
        num_bytes=sum(copies.num_bytes.values()),
        unsound=sorted(unsound),
    )
    description.save(folder)
    sums = {f"{FILES}/{name}": sha256 for name, sha256 in copies.sums.items()}
    write_sums(folder, sums | {name: sha256_of(folder / name) for name in (DESCRIPTION, ROWS)})
    for name in (DESCRIPTION, ROWS, SUMS):
        sync(folder / name)
    return description


# --- the folder
@contextmanager
def _becoming(target: Path) -> Iterator[Path]:
    """A folder beside the target that becomes it at the end, and goes where something goes wrong."""
    target = target.absolute()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise BackupNotTaken(
            N_("%(folder)s is there already and not empty. Name a new folder for each backup."), folder=str(target)
        )
    if not target.parent.is_dir():
        raise BackupNotTaken(
            N_("%(parent)s does not exist. Make it, or name another folder."), parent=str(target.parent)
        )
    partial = target.with_name(target.name + ".partial")
    _clear(partial)
    partial.mkdir(mode=0o700)  # it holds the hashes of passwords
    try:
        with _held(partial):
            yield partial
            for folder in [partial, *(each for each in partial.rglob("*") if each.is_dir())]:
                sync(folder)
            partial.rename(target)
            sync(target.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _clear(partial: Path) -> None:
    """Remove what a backup left behind that was killed."""
    if partial.exists():
        with _held(partial):
            shutil.rmtree(partial)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other backups out; the lock goes with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BackupNotTaken(
            N_("Another backup is writing to %(folder)s. Wait for its end, or name another folder."), folder=str(folder)
        ) from error
