"""Where pictures and the files of versions are kept: below DATA_DIR, or in an S3 bucket when STORAGE_URL names one."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredFile:
    """A file of the store as a listing shows it."""

    name: str
    stored_at: datetime
    num_bytes: int


def keep(path: Path, name: str) -> None:
    """Move a finished local file into the store under a name of ours; it is there whole or not at all."""
    if _is_local():
        target = Path(default_storage.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        _move(path, target)
        return
    with path.open("rb") as file:
        default_storage.save(name, File(file))
    path.unlink()


def _move(path: Path, target: Path) -> None:
    try:
        path.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:  # on another file system it is copied, and appears when it is whole
            raise
        draft = target.with_name(f".{target.name}-{uuid4().hex}")
        try:
            shutil.copyfile(path, draft)
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        path.unlink()


def keep_bytes(data: bytes, name: str) -> None:
    """Store bytes under a name of ours; it is there whole or not at all."""
    folder = working_folder("incoming")
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            keep(Path(file.name), name)
        except BaseException:  # a full disk most of all needs the room back
            Path(file.name).unlink(missing_ok=True)
            raise


def local_path(name: str) -> Path:
    """A path to read a stored file from; from S3 it is fetched once and kept below DATA_DIR/cache while it is of use.

    The path may not exist: who reads a version's file compares its hash anyway and says what is missing.
    """
    if _is_local():
        return Path(default_storage.path(name))
    copy = _copy_of(name)
    with suppress(FileNotFoundError):
        os.utime(copy)  # says when it was last of use
    if not copy.exists() and default_storage.exists(name):
        copy.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.NamedTemporaryFile(dir=copy.parent, suffix=".tmp", delete=False) as file,
            default_storage.open(name) as stored,
        ):
            shutil.copyfileobj(stored, file)
        Path(file.name).replace(copy)
    return copy


def forget(name: str) -> None:
    """Remove a stored file, and the copy of it here; one that is not there is no error."""
    default_storage.delete(name)
    _copy_of(name).unlink(missing_ok=True)


def files_below(folder: str) -> Iterator[StoredFile]:
    """Every stored file below a folder, folder by folder; what goes while one looks may be missing."""
    if _is_local():
        root = Path(default_storage.path(folder))
        for path in walk(root):
            with suppress(FileNotFoundError):
                stat = path.stat()
                name = folder + str(path)[len(str(root)) :]
                yield StoredFile(name, datetime.fromtimestamp(stat.st_mtime, UTC), stat.st_size)
        return
    for each in _objects(f"{folder}/"):
        yield StoredFile(each.key[len(_key("")) :], each.last_modified, each.size)


def bytes_below(folders: list[str]) -> int:
    """How much room the files below some folders take."""
    return sum(file.num_bytes for folder in folders for file in files_below(folder))


def forget_older(name: str, moment: datetime) -> bool:
    """Remove a stored file, unless it was stored anew since a moment; false where it was, or is gone already."""
    if not _is_local():
        outdated = [each for each in _objects(name) if each.key == _key(name) and each.last_modified < moment]
        for each in outdated:
            each.delete()
        return bool(outdated)
    path = Path(default_storage.path(name))
    aside = path.with_name(f".{path.name}-{uuid4().hex}")
    try:
        path.replace(aside)  # whoever stores the very same file meanwhile finds its place free
    except FileNotFoundError:
        return False
    if aside.stat().st_mtime >= moment.timestamp():
        aside.replace(path)
        return False
    aside.unlink()
    return True


def forget_folder(folder: str) -> None:
    """Remove a folder of the store, and the copies from it here; what cannot be removed is named in the log."""
    if _is_local():
        shutil.rmtree(default_storage.path(folder), onerror=_log_what_stays)
    else:
        _objects(f"{folder}/").delete()  # a thousand at a time
        shutil.rmtree(_copy_of(folder), onerror=_log_what_stays)


def forget_on_commit(folders: list[str], files: list[str]) -> None:
    """Remove what the rows of this transaction named, once they are gone; the cleaning takes what a failure leaves."""

    def forget_all() -> None:
        try:
            for folder in folders:
                forget_folder(folder)
            for name in files:
                forget(name)
        except Exception:  # the rows are gone, and each store fails in its own way
            log.exception("Files are left to the cleaning: %s", ", ".join([*folders, *files]))

    transaction.on_commit(forget_all)


def working_folder(name: str) -> Path:
    """A folder below DATA_DIR for files that are being made; on one file system with the local store."""
    folder = Path(settings.DATA_DIR) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def walk(folder: Path) -> Iterator[Path]:
    """Every file below a local folder; unlike `rglob` it lets others remove folders meanwhile."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from walk(Path(entry.path))
        else:
            yield Path(entry.path)


def _copy_of(name: str) -> Path:
    return Path(settings.DATA_DIR) / "cache" / "files" / name


def _is_local() -> bool:
    return not settings.STORAGE_URL


def _objects(prefix: str) -> Any:
    """The bucket's objects whose names of ours begin so."""
    bucket: Any = default_storage
    return bucket.bucket.objects.filter(Prefix=_key(prefix))


def _key(name: str) -> str:
    """A name of ours as the bucket has it."""
    store: Any = default_storage
    return f"{store.location}/{name}" if store.location else name


def _log_what_stays(_remove: object, path: str, error: Any) -> None:
    if not isinstance(error[1], FileNotFoundError):
        log.warning("%s is left to the cleaning: %s", path, error[1])
