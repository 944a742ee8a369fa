"""The files that rows name: copied out of the store while it changes, and put into a store again."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from django.core.files.storage import default_storage

from training import storage
from training.artifacts.files import sha256_of, sync
from training.errors import BrokenArtifact
from training.messages import N_
from training.models import Checkpoint, ModelVersion, Picture, PictureImport, TrainingRun
from webapp.errors import BackupNotTaken
from webapp.operations.backup.contents import Show

AT_ONCE = 8  # a remote store answers slowly, but many at a time
BATCH = 500  # files between two looks at the progress
BLOCK_BYTES = 1 << 20
STORE_TROUBLE = (BotoCoreError, ClientError)  # of S3


@dataclass(frozen=True)
class Named:
    """Files in the store that a row names."""

    names: tuple[str, ...]
    sha256: str = ""  # of their bytes, one after the other; empty where no row says


def named_files() -> Iterator[Named]:
    for picture in Picture.objects.only("recognizer_id", "sha256").iterator():
        yield Named((picture.file,))
    versions = ModelVersion.objects.only("folder", "layout", "h5_sha256", "serving_model_sha256", "predictions_sha256")
    for version in versions.iterator():
        yield from (Named(names, sha256) for names, sha256 in version.files.in_store())
    for checkpoint in Checkpoint.objects.only("file", "sha256").iterator():
        yield Named((checkpoint.file,), checkpoint.sha256)
    waiting = PictureImport.objects.unfinished()
    for archive in waiting.exclude(archive="").values_list("archive", flat=True).iterator():
        yield Named((archive,))


def manifests() -> set[str]:
    """Which pictures an unfinished run learns from, where it has got so far. No row promises these files."""
    runs = TrainingRun.objects.exclude(manifest_sha256="").exclude(state=TrainingRun.State.SUCCEEDED)
    return {run.manifest_file for run in runs.only("pk").iterator()}


class Copies:
    """Files of the store, copied into a folder.

    `sums` holds the SHA-256 of each by its name; `gone` the names that the store did not have, or could not read.
    """

    def __init__(self, folder: Path, show: Show) -> None:
        self.folder = folder
        self.show = show
        self.sums: dict[str, str] = {}
        self.num_bytes: dict[str, int] = {}
        self.gone: set[str] = set()

    def add(self, names: Iterable[str]) -> None:
        """Copy what is not here yet."""
        new = sorted(set(names) - self.sums.keys())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for start in range(0, len(new), BATCH):
                for _ in pool.map(self._copy, new[start : start + BATCH]):
                    pass
                self.show(f"{min(start + BATCH, len(new)):,} of {len(new):,} files copied")

    def keep_only(self, names: set[str]) -> None:
        """Remove the copies of files whose rows have gone in the meantime."""
        for name in self.sums.keys() - names:
            (self.folder / name).unlink()
            del self.sums[name], self.num_bytes[name]
        self.gone &= names

    def damaged(self, named: list[Named]) -> set[str]:
        """Names of the copies that are not what their row says."""
        found: set[str] = set()
        for each in named:
            is_here = all(name in self.sums for name in each.names)
            if each.sha256 and is_here and sha256_of(*(self.folder / name for name in each.names)) != each.sha256:
                found.update(each.names)
        return found

    def _copy(self, name: str) -> None:
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        try:
            with target.open("wb") as copy:
                for block in _blocks(name):
                    digest.update(block)
                    copy.write(block)
                copy.flush()
                os.fsync(copy.fileno())
                self.num_bytes[name] = copy.tell()
        except BrokenArtifact:
            target.unlink()
            self.gone.add(name)
        else:
            self.sums[name] = digest.hexdigest()
            self.gone.discard(name)


def _blocks(name: str) -> Iterator[bytes]:
    """The bytes of a stored file. Raises: BrokenArtifact if it is missing or the disk cannot read it."""
    try:
        with default_storage.open(name) as file:
            while block := file.read(BLOCK_BYTES):
                yield block
    except OSError as error:
        if error.errno not in (None, errno.ENOENT, errno.EIO):  # django-storages gives no number
            raise
        raise BrokenArtifact(N_("%(file)s is missing. Restore it from a backup or train again."), file=name) from error
    except STORE_TROUBLE as error:
        raise BackupNotTaken(
            N_("%(file)s cannot be read from the store: %(reason)s. See to the store and try again."),
            file=name,
            reason=str(error),
        ) from error


def store_files(folder: Path, names: list[str], show: Show) -> None:
    """Put copies into the store under their names; what lies there under the same names is replaced."""
    incoming = storage.working_folder("incoming")

    def keep(name: str) -> None:
        copy = incoming / uuid4().hex
        try:
            shutil.copyfile(folder / name, copy)
            sync(copy)
            storage.forget(name)  # with the copy that this machine may have from an earlier life
            storage.keep(copy, name)
        finally:
            copy.unlink(missing_ok=True)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(names), BATCH):
            list(pool.map(keep, names[start : start + BATCH]))
            show(f"{min(start + BATCH, len(names)):,} of {len(names):,} files stored")
