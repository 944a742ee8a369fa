"""`manage.py import_pictures SLUG PATH`: a folder of class folders, or a zip of them, into a recognizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from training.archives import zip_members
from training.errors import TrainingError, UnreadableArchive
from training.management.progress import ProgressLine
from training.models import Recognizer
from training.models.pictures import ReportLine
from training.pictures import Member, add_pictures, folder_members


class Command(BaseCommand):
    help = (
        "Import labelled pictures: a folder with one folder per class, or a zip of that. Every refused file is named."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the recognizer's address name")
        parser.add_argument("path", type=Path, help="a folder of class folders, or a zip")
        parser.add_argument("--create", action="store_true", help="make the recognizer where it does not exist")

    def handle(self, *args: Any, **options: Any) -> None:
        with _opened(options["path"]) as members:
            recognizer = _create(options["slug"]) if options["create"] else _find(options["slug"])
            progress = ProgressLine(self.stderr._out)  # type: ignore[arg-type]
            lines: list[ReportLine] = []
            for line in add_pictures(recognizer, members, None):
                lines.append(line)
                progress.show(f"{len(lines)} of {len(members)}")
            progress.end()
        self._report(lines)

    def _report(self, lines: list[ReportLine]) -> None:
        refused = [line for line in lines if not line.is_taken]
        for line in refused:
            self.stdout.write(f"refused {line.name}: {line.reason}")
        self.stdout.write(f"{len(lines) - len(refused)} taken, {len(refused)} refused")


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
    except TrainingError as error:
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
