"""Where pictures, H5 files and twins are kept: below DATA_DIR, or in an S3 bucket when STORAGE_URL names one."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage


def keep(path: Path, name: str) -> None:
    """Move a finished local file into the store under a name of ours; it is there whole or not at all."""
    if _is_local():
        target = Path(default_storage.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
        return
    with path.open("rb") as file:
        default_storage.save(name, File(file))
    path.unlink()


def keep_bytes(data: bytes, name: str) -> None:
    """Store bytes under a name of ours; it is there whole or not at all."""
    folder = working_folder("incoming")
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    keep(Path(file.name), name)


def local_path(name: str) -> Path:
    """A path to read a stored file from; from S3 it is fetched once and kept below DATA_DIR/cache.

    The path may not exist: who reads a version's file compares its hash anyway and says what is missing.
    """
    if _is_local():
        return Path(default_storage.path(name))
    copy = _copy_of(name)
    if not copy.exists() and default_storage.exists(name):
        copy.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.NamedTemporaryFile(dir=copy.parent, delete=False) as file,
            default_storage.open(name) as stored,
        ):
            shutil.copyfileobj(stored, file)
        Path(file.name).replace(copy)
    return copy


def forget(name: str) -> None:
    """Remove a stored file, and the copy of it here; one that is not there is no error."""
    default_storage.delete(name)
    _copy_of(name).unlink(missing_ok=True)


def working_folder(name: str) -> Path:
    """A folder below DATA_DIR for files that are being made; on one file system with the local store."""
    folder = Path(settings.DATA_DIR) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _copy_of(name: str) -> Path:
    return Path(settings.DATA_DIR) / "cache" / "files" / name


def _is_local() -> bool:
    return not settings.STORAGE_URL
