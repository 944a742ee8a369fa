"""The files of an upload: what each is called, which class folder it lies in, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from training.data.names import tidied
from training.errors import UnreadablePicture
from training.limits import MAX_UPLOAD_BYTES
from training.messages import N_, say

JUNK_NAMES = frozenset({"thumbs.db", "desktop.ini", "icon\r"})


@dataclass(frozen=True)
class Member:
    """One file of an upload, not read yet."""

    name: str  # its path in the zip or folder, or the name it was uploaded under
    class_name: str  # empty where it lies in no class folder
    read: Callable[[], bytes]  # raises UserFacingError where the archive's member breaks a limit
    source: str = ""  # the object it shows, where somebody said so


def is_junk(name: str) -> bool:
    """Files that computers leave lying about: __MACOSX, dotfiles, Thumbs.db."""
    parts = [tidied(part) for part in PurePosixPath(name).parts]
    is_hidden = any(part.startswith(".") and part != ".." for part in parts)
    return is_hidden or "__MACOSX" in parts or PurePosixPath(name).name.lower() in JUNK_NAMES


def folder_members(folder: Path) -> Iterator[Member]:
    """Every file below a folder of class folders; the class is the folder a file lies in."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not is_junk(name):
            yield Member(name, class_of(name), partial(_read_file, path))


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_UPLOAD_BYTES + 1)  # ingest() refuses what is longer than the limit
    except OSError as error:
        raise UnreadablePicture(N_("The file cannot be read (%(reason)s)."), reason=error.strerror) from error


def class_of(name: str) -> str:
    """The name of the folder a file lies in; empty where it lies in none."""
    return PurePosixPath(name).parent.name


@dataclass(frozen=True)
class ReportLine:
    """What became of one file of an upload; `sentence` says why it was refused, or what to know of a taken one."""

    name: str
    is_taken: bool
    sentence: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        return say(self.sentence)
