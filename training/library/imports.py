"""Reading a zip that was uploaded: its pictures become rows, its report says what became of every file."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from training import storage
from training.data.archives import zip_members
from training.data.group_table import with_sources
from training.data.members import ReportLine
from training.errors import TrainingError
from training.library.duplicates import group_pictures
from training.library.intake import add_pictures
from training.messages import N_, UserFacingError
from training.models import PictureImport, Recognizer

PROGRESS_SECONDS = 1

log = logging.getLogger(__name__)


def carry_out(import_id: int) -> None:
    """Claim an import and read it; nothing happens where another process has claimed it, or it has been deleted."""
    row = PictureImport.objects.select_related("recognizer", "started_by").filter(pk=import_id).first()
    if row is None or not row.claim():
        return
    try:
        with zip_members(storage.local_path(row.archive)) as members:
            pictures, sources = with_sources(members)
            row.progress(num_files=len(pictures), num_read=0)
            lines = list(_told(row, add_pictures(row.recognizer, pictures, row.started_by)))
            row.end([*lines, *sources.unmet()])
    except UserFacingError as error:
        row.fail(error)
    except FileNotFoundError:
        row.fail(TrainingError(N_("The uploaded zip is not here any more. Upload it again.")))
    except Exception as error:  # a row left as "reading" would be read again and again
        log.exception("The import %d broke off", import_id)
        row.fail(
            TrainingError(
                N_("The reading broke off (%(error)s). What was taken is kept; upload the zip again for the rest."),
                error=f"{type(error).__name__}: {error}"[:300],
            )
        )
    storage.forget(row.archive)
    _look_for_near_duplicates(row.recognizer)


def _look_for_near_duplicates(recognizer: Recognizer) -> None:
    """Now, so that the first training starts sooner; where this breaks off, that training looks."""
    try:
        group_pictures(recognizer)
    except Exception:  # the import itself is done
        log.exception("The near-duplicates of %s are still to be looked for", recognizer.slug)


def _told(row: PictureImport, lines: Iterator[ReportLine]) -> Iterator[ReportLine]:
    """The same lines; their number is written into the row every second."""
    told = time.monotonic()
    for number, line in enumerate(lines, start=1):
        yield line
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            row.progress(num_read=number)
