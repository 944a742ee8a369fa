"""Files of ours on the disk: written whole, named by the hash of their bytes, and compared with it before use."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from training.errors import BrokenArtifact
from training.messages import N_


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that appears under its name only when it is complete and on the disk.

    Temporary file beside it, fsync, rename, fsync of the folder.

    Raises: OSError with the file's name, also where the disk is full; then nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_files(paths: list[Path], sha256: str) -> None:
    """Compare stored files with the hash in their row. Raises: BrokenArtifact naming the file."""
    with _reading(paths):
        seen = sha256_of(*paths)
    _refuse_change(paths, seen, sha256)


def read_checked(paths: list[Path], sha256: str) -> list[bytes]:
    """The bytes of stored files, read once: what is compared with the hash in the row is what will be used.

    Raises: BrokenArtifact naming the file.
    """
    digest = hashlib.sha256()
    with _reading(paths):
        contents = [path.read_bytes() for path in paths]
    for content in contents:
        digest.update(content)
    _refuse_change(paths, digest.hexdigest(), sha256)
    return contents


@contextmanager
def _reading(paths: list[Path]) -> Iterator[None]:
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise BrokenArtifact(
            N_("%(file)s is missing. Restore it from a backup or train again."), file=" + ".join(missing)
        )
    try:
        yield
    except OSError as error:
        raise BrokenArtifact(
            N_("%(file)s cannot be read (%(reason)s). Restore it from a backup or train again."),
            file=" + ".join(path.name for path in paths),
            reason=error.strerror or str(error),
        ) from error


def unopenable(file: str, error: Exception) -> BrokenArtifact:
    """What a library says of a whole file that it makes nothing of; OpenVINO first names lines of C++."""
    return BrokenArtifact(
        N_("%(file)s cannot be opened (%(reason)s). Restore it from a backup or train again."),
        file=file,
        reason=str(error).strip().splitlines()[-1],
    )


def _refuse_change(paths: list[Path], seen: str, sha256: str) -> None:
    if seen != sha256:
        raise BrokenArtifact(
            N_("%(file)s has changed since it was written. Restore it from a backup or train again."),
            file=" + ".join(path.name for path in paths),
        )


def sha256_of(*paths: Path) -> str:
    """SHA-256 over the bytes of the files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Put a file, or a folder's entries, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
