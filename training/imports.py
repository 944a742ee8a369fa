"""Reading a zip that was uploaded: its pictures become rows, its report says what became of every file."""

from __future__ import annotations

import time

from training import storage
from training.archives import count_members, zip_members
from training.errors import N_, TrainingError
from training.models import PictureImport
from training.pictures import add_pictures

PROGRESS_SECONDS = 1


def carry_out(import_id: int) -> None:
    """Claim an import and read it; nothing happens where another process has claimed it."""
    row = PictureImport.objects.select_related("recognizer", "started_by").get(pk=import_id)
    if not row.claim():
        return
    archive = storage.local_path(row.archive)
    try:
        row.progress(num_files=count_members(archive), num_read=0)
        lines = []
        told = time.monotonic()
        for line in add_pictures(row.recognizer, zip_members(archive), row.started_by):
            lines.append(line)
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                row.progress(num_read=len(lines))
        row.end(lines)
    except TrainingError as error:
        row.fail(error)
    except FileNotFoundError:
        row.fail(TrainingError(N_("The uploaded zip is not here any more. Upload it again.")))
    storage.forget(row.archive)
