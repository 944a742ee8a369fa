"""`manage.py restore DIR`: a backup into an empty installation, whatever its database and store are."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from training.management.progress import ProgressLine
from training.messages import UserFacingError
from webapp.management.commands.backup import some
from webapp.operations.backup.restore import restore_backup


class Command(BaseCommand):
    help = "Put a backup that manage.py backup made into this installation, which must be empty."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that manage.py backup made")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        progress = ProgressLine(self.stderr._out)  # type: ignore[arg-type]
        try:
            put_back = restore_backup(options["folder"], progress.show)
        except UserFacingError as error:
            raise CommandError(str(error)) from error
        finally:
            progress.end()
        self.stdout.write(
            f"{options['folder']} of {put_back.made_at}: {put_back.num_rows:,} rows and {put_back.num_files:,} files "
            f"({filesizeformat(put_back.num_bytes)}) in {time.monotonic() - began:.1f} s"
        )
        if put_back.unsound:
            self.stderr.write(f"Missing or damaged already when the backup was taken: {some(put_back.unsound)}")
