"""Reading a zip that was uploaded: its pictures become rows, its report says what became of every file."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict

from training import storage
from training.data.archives import zip_members
from training.data.group_table import look_up_groups
from training.data.members import ReportLine
from training.disk import is_full
from training.errors import DiskFull, LeaseLost, TrainingError
from training.library.duplicates import group_pictures
from training.library.intake import add_pictures
from training.messages import N_, UserFacingError
from training.models import PictureImport, Recognizer
from training.outages import outlasting

PROGRESS_SECONDS = 1
MOST_NAMED = 500  # refused files, before the whole report is written

log = logging.getLogger("training")


def read_archive(row: PictureImport) -> None:
    """Read a claimed import's zip, and end it with its report or with why that could not be. Raises: LeaseLost."""
    try:
        with zip_members(storage.local_path(row.archive)) as members:
            pictures, table = look_up_groups(members)
            outlasting(lambda: row.advance(num_files=len(pictures), num_read=0, num_refused=0, report=[]))
            lines = list(_told(row, add_pictures(row.recognizer, pictures, row.started_by, row)))
        outlasting(lambda: row.finish([*lines, *table.unmet()]))
    except LeaseLost:
        raise
    except Exception as error:
        reason = _explained(row, error)
        outlasting(lambda: row.fail(reason))
    storage.forget(row.archive)
    _look_for_near_duplicates(row.recognizer)


def _explained(row: PictureImport, error: Exception) -> UserFacingError:
    """Any error as a sentence; a row left as it is would be read again."""
    if isinstance(error, UserFacingError):
        return error
    if isinstance(error, FileNotFoundError):
        return TrainingError(N_("The uploaded zip is not here any more. Upload it again."))
    if is_full(error):
        return DiskFull(
            N_("There is no room left on the disk. What was taken is kept; make room and upload the zip for the rest.")
        )
    log.exception("The import %d broke off", row.pk)
    return TrainingError(
        N_("The reading broke off (%(error)s). What was taken is kept; upload the zip again for the rest."),
        error=f"{type(error).__name__}: {error}"[:300],
    )


def _look_for_near_duplicates(recognizer: Recognizer) -> None:
    """Now, so that the first training starts sooner; where this breaks off, that training looks."""
    try:
        group_pictures(recognizer)
    except Exception:  # the import itself is done
        log.exception("The near-duplicates of %s are still to be looked for", recognizer.slug)


def _told(row: PictureImport, lines: Iterator[ReportLine]) -> Iterator[ReportLine]:
    """The same lines. Every second the row says how far it is and names what was refused, should it end there.

    Raises: LeaseLost.
    """
    told = time.monotonic()
    refused: list[ReportLine] = []
    num_named = 0
    for num_read, line in enumerate(lines, start=1):
        yield line
        if not line.is_taken:
            refused.append(line)
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            named = refused[:MOST_NAMED]
            is_new = len(named) > num_named
            num_named = len(named)
            report = {"report": [asdict(each) for each in named]} if is_new else {}
            row.advance(num_read=num_read, num_refused=len(refused), **report)
