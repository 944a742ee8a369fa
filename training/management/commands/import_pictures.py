"""`manage.py import_pictures SLUG PATH`: a folder of class folders, or a zip of them, into a recognizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from training.data.archives import zip_members
from training.data.group_table import NAME, GroupTable, look_up_groups
from training.data.members import Member, ReportLine, folder_members
from training.errors import BrokenArtifact, DiskFull, UnreadableArchive
from training.library.duplicates import group_pictures
from training.library.intake import add_pictures
from training.management.progress import ProgressLine
from training.messages import UserFacingError
from training.models import Recognizer

MOST_NAMED = 20  # rows of a groups.csv, which may serve several imports


class Command(BaseCommand):
    help = (
        "Import labelled pictures: a folder with one folder per class, or a zip of that. Every refused file is named."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the recognizer's address name")
        parser.add_argument("path", type=Path, help="a folder of class folders, or a zip")
        parser.add_argument(
            "--groups",
            type=Path,
            help=f"a CSV that says which files show the same object, with the columns file, group and perhaps class; "
            f"without it a {NAME} beside the class folders is read",
        )
        parser.add_argument("--create", action="store_true", help="make the recognizer where it does not exist")

    def handle(self, *args: Any, **options: Any) -> None:
        with _opened(options["path"]) as members:
            pictures, groups = _with_table(members, options["groups"])
            recognizer = _create(options["slug"]) if options["create"] else _find(options["slug"])
            progress = ProgressLine(self.stderr._out)  # type: ignore[arg-type]
            lines: list[ReportLine] = []
            try:
                for line in add_pictures(recognizer, pictures, None):
                    lines.append(line)
                    progress.show(f"{len(lines)} of {len(pictures)}")
            except DiskFull as error:
                self._report(lines)
                raise CommandError(str(error)) from error
            finally:
                progress.end()
        self._report(lines)
        unmet = list(groups.unmet())
        for line in unmet[:MOST_NAMED]:
            self.stdout.write(f"{line.name}: {line.reason}")
        if len(unmet) > MOST_NAMED:
            self.stdout.write(f"{len(unmet) - MOST_NAMED} more rows of {NAME} name no picture of this import")
        try:
            group_pictures(recognizer, lambda share: progress.show(f"near-duplicates: {share:.0%}"))
        except BrokenArtifact as error:
            raise CommandError(str(error)) from error
        finally:
            progress.end()

    def _report(self, lines: list[ReportLine]) -> None:
        refused = [line for line in lines if not line.is_taken]
        for line in refused:
            self.stdout.write(f"refused {line.name}: {line.reason}")
        for line in lines:
            if line.is_taken and line.reason:
                self.stdout.write(f"{line.name}: {line.reason}")
        self.stdout.write(f"{len(lines) - len(refused)} taken, {len(refused)} refused")


def _with_table(members: list[Member], table: Path | None) -> tuple[list[Member], GroupTable]:
    try:
        return look_up_groups(members, table.read_bytes if table else None)
    except OSError as error:
        raise CommandError(f"{table} cannot be read: {error.strerror}") from error
    except UnreadableArchive as error:
        raise CommandError(str(error)) from error


@contextmanager
def _opened(path: Path) -> Iterator[list[Member]]:
    if path.is_dir():
        yield list(folder_members(path))
        return
    if not path.is_file():
        raise CommandError(f"{path} does not exist; expected a folder of class folders, or a zip of them.")
    try:
        with zip_members(path) as members:
            yield members
    except UnreadableArchive as error:
        raise CommandError(f"{path}: {error}") from error


def _find(slug: str) -> Recognizer:
    try:
        return Recognizer.objects.named(slug)
    except UserFacingError as error:
        raise CommandError(f"{error} With --create it is made.") from error


def _create(slug: str) -> Recognizer:
    present = Recognizer.objects.filter(slug=slug).first()
    if present:
        return present
    recognizer = Recognizer(slug=slug, name_en=slug.replace("-", " ").capitalize())
    try:
        recognizer.full_clean()
    except ValidationError as error:
        raise CommandError(f"“{slug}” cannot be a recognizer's address: {'; '.join(error.messages)}") from error
    recognizer.save()
    return recognizer
