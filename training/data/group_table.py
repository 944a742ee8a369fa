"""Which pictures of an import show the same object: a groups.csv beside the class folders."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from training.data.members import Member, ReportLine
from training.data.names import tidied
from training.errors import TrainingError, UnreadableArchive
from training.limits import MAX_TABLE_ROWS
from training.messages import N_

NAME = "groups.csv"
MAX_SOURCE = 255  # characters


class GroupTable:
    """The object that each picture shows, by its file's name alone or together with its class folder's."""

    def __init__(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """`rows`: class (may be empty), file and group."""
        self.groups = {(tidied(class_name), file): group[-MAX_SOURCE:] for class_name, file, group in rows}
        self.met: set[tuple[str, str]] = set()

    @classmethod
    def read(cls, text: str) -> GroupTable:
        """From CSV with the columns file, group and, where files of two classes share a name, class.

        Raises: UnreadableArchive if a column is missing, or there are more rows than may be.
        """
        try:
            return cls._of(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
        except csv.Error as error:
            raise UnreadableArchive(N_("groups.csv cannot be read (%(reason)s)."), reason=str(error)) from error

    @classmethod
    def _of(cls, rows: csv.DictReader[str]) -> GroupTable:
        columns = rows.fieldnames or []
        if not {"file", "group"} <= set(columns):
            raise UnreadableArchive(
                N_("groups.csv has the columns “%(columns)s”; it needs file and group, and may have class."),
                columns=", ".join(columns),
            )
        table = cls(_row(row) for row in itertools.islice(rows, MAX_TABLE_ROWS))
        if next(rows, None):
            raise UnreadableArchive(
                N_("groups.csv has more than %(limit)d rows. Send the pictures in parts."), limit=MAX_TABLE_ROWS
            )
        return table

    def of(self, member: Member) -> str:
        """The object that a picture shows; empty where the table does not say."""
        for key in _keys(member):
            if key in self.groups:
                self.met.add(key)
                return self.groups[key]
        return ""

    def unmet(self) -> Iterator[ReportLine]:
        """A line for each row of the table that no picture answers to."""
        for class_name, file in self.groups:
            if (class_name, file) not in self.met:
                sentence = TrainingError(N_("groups.csv names this file, but no such picture came with it.")).sentence
                yield ReportLine("/".join(filter(None, (class_name, file))), False, dict(sentence))


def _row(row: dict[str, str]) -> tuple[str, str, str]:
    path = PurePosixPath((row["file"] or "").replace("\\", "/"))
    return row.get("class") or path.parent.name, path.name, row["group"] or ""


def _keys(member: Member) -> tuple[tuple[str, str], ...]:
    name = PurePosixPath(member.name).name
    return (tidied(member.class_name), name), ("", name)


def look_up_groups(members: list[Member], table: Callable[[], bytes] | None = None) -> tuple[list[Member], GroupTable]:
    """The pictures of an upload, each with the object it shows, and the table they were looked up in.

    Args:
        table: reads a groups.csv that came separately; else the one at the root of the upload is taken, if it is there.
    Raises: UnreadableArchive if the table cannot be read.
    """
    found = next((each for each in members if _is_table(each)), None)
    pictures = [each for each in members if not _is_table(each)]
    read = table or (found.read if found else None)
    groups = GroupTable.read(_decoded(read())) if read else GroupTable([])
    return [replace(each, source=groups.of(each)) for each in pictures], groups


def _is_table(member: Member) -> bool:
    path = PurePosixPath(member.name)
    return path.name.lower() == NAME and len(path.parts) <= 2  # a zip may have one folder around everything


def _decoded(data: bytes) -> str:
    """Excel writes GBK where Chinese is spoken."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace")
