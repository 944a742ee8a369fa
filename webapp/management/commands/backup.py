"""`manage.py backup DIR`: the whole installation as a folder, taken while the site runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from training.management.progress import ProgressLine
from training.messages import UserFacingError
from webapp.operations.backup.take import take_backup

NAMED = 10  # unsound files


class Command(BaseCommand):
    help = (
        "Write database, pictures and versions into a new folder while the site runs. It holds everything but the "
        "secret key and who is logged in; accounts come with the hashes of their passwords, so keep it to yourself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist yet, or is empty")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        progress = ProgressLine(self.stderr._out)  # type: ignore[arg-type]
        try:
            made = take_backup(options["folder"], progress.show)
        except UserFacingError as error:
            raise CommandError(str(error)) from error
        finally:
            progress.end()
        self.stdout.write(
            f"{options['folder']}: {made.num_rows:,} rows and {made.num_files:,} files "
            f"({filesizeformat(made.num_bytes)}) in {time.monotonic() - began:.1f} s"
        )
        if made.unsound:
            raise CommandError(
                f"The backup is made, but {len(made.unsound)} files are missing or damaged in the store itself: "
                f"{some(made.unsound)}. Put them back from an earlier backup, or delete and add or train them again."
            )


def some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
