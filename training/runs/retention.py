"""What training may throw away: what runs leave behind, files that no row names, caches that nobody uses.

A file is stored before the row that names it, so nothing younger than a day counts as left over, and files are listed
before the rows are read. Two cleanings at once do no harm: what the other has removed is no error.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db.models import Max, Q
from django.utils import timezone

from training import storage
from training.models import Checkpoint, Job, ModelVersion, Picture, PictureImport, TrainingRun, Worker
from training.models.leases import Leased
from training.storage import StoredFile

SAFE_AGE = timedelta(days=1)  # from then on a file without a row will get none any more
SAFE_SILENCE = timedelta(hours=1)  # since a run's last heartbeat, before its work folder goes
KEEP_FAILED_DAYS = 14  # a failed run can go on from its checkpoints
KEEP_UNUSED_DAYS = 14  # caches
MAX_PIXEL_CACHE_BYTES = 20_000_000_000
KEEP_SILENT_WORKERS_DAYS = 1  # killed, and never come back

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Removed:
    """How much one rule has removed; rows have no bytes."""

    count: int = 0
    num_bytes: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.count + other.count, self.num_bytes + other.num_bytes)


Rules = dict[str, Callable[[], Removed]]


def follow(rules: Rules) -> dict[str, Removed | None]:
    """What each rule has removed, by its name; None where it failed, which stops no other."""
    return {name: _follow(name, rule) for name, rule in rules.items()}


def _follow(name: str, rule: Callable[[], Removed]) -> Removed | None:
    try:
        removed = rule()
    except Exception:
        log.exception("Not cleaned up: %s", name)
        return None
    if removed.count:
        log.info("Cleaned up: %d %s, %d bytes", removed.count, name, removed.num_bytes)
    return removed


# --- the store
def remove_checkpoints() -> Removed:
    """Of runs that will not go on: succeeded, cancelled or failed long ago; of others what no row names."""
    by_run = {run: list(files) for run, files in groupby(storage.files_below("checkpoints"), _second_part)}
    failed_long_ago = Q(state=TrainingRun.State.FAILED, ended_at__lt=_days_ago(KEEP_FAILED_DAYS))
    runs = TrainingRun.objects.filter(Q(state__in=["succeeded", "cancelled"]) | failed_long_ago)
    Checkpoint.objects.filter(run__in=runs).delete()  # rows first: who asks whether a run can go on is told no
    over = {str(pk) for pk in runs.values_list("pk", flat=True)}
    named = set(Checkpoint.objects.values_list("file", flat=True))
    named |= {run.manifest_file for run in TrainingRun.objects.only("pk")}
    for run in by_run.keys() & over:
        storage.forget_folder(f"checkpoints/{run}")
    removed = (_sum(files) if run in over else _remove_unnamed(files, named) for run, files in by_run.items())
    return sum(removed, Removed())


def remove_unnamed_pictures() -> Removed:
    """Of an upload that was cut off between file and row, or a deletion between row and file."""
    removed = Removed()
    for recognizer, found in groupby(storage.files_below("pictures"), _second_part):
        files = list(found)
        rows = Picture.objects.filter(recognizer_id=recognizer) if recognizer.isdecimal() else Picture.objects.none()
        named = {each.file for each in rows.only("recognizer_id", "sha256").iterator()}
        removed += _remove_unnamed(files, named)
    return removed


def remove_unnamed_versions() -> Removed:
    """Of a training that was cut off between files and row, or a deletion between row and files."""
    files = list(storage.files_below("versions"))
    folders = set(ModelVersion.objects.values_list("folder", flat=True))
    named = {file.name for file in files if str(PurePosixPath(file.name).parent) in folders and not _is_draft(file)}
    return _remove_unnamed(files, named)


def remove_archives() -> Removed:
    """Uploaded zips that nobody waits for any more."""
    files = list(storage.files_below("imports"))
    named = set(PictureImport.objects.unfinished().values_list("archive", flat=True))
    return _remove_unnamed(files, named)


def remove_files_of_jobs() -> Removed:
    """Left over where a job was deleted while it was being carried out, or its deletion was cut off."""
    removed = Removed()
    for job, found in groupby(storage.files_below("jobs"), _second_part):
        files = list(found)
        has_row = job.isdecimal() and Job.objects.filter(pk=job).exists()
        removed += _remove_unnamed(files, {file.name for file in files} if has_row else set())
    return removed


# --- this machine's folders below DATA_DIR
def remove_work_folders() -> Removed:
    """Of runs and jobs whose worker was killed; what lives, or lived a moment ago, is left to its worker."""
    rows: dict[str, type[Leased]] = {"runs": TrainingRun, "jobs": Job, "reading": PictureImport}
    return sum((_remove_work_folders(name, model) for name, model in rows.items()), Removed())


def _remove_work_folders(name: str, model: type[Leased]) -> Removed:
    limit = timezone.now() - SAFE_SILENCE
    folders = [each for each in storage.working_folder(name).iterdir() if _changed_at(each) < limit.timestamp()]
    alive = model._default_manager.filter(Q(state__in=model.ACTIVE) | Q(heartbeat__gte=limit))
    names = {f"{pk}-{lease}" for pk, lease in alive.values_list("pk", "lease")}
    removed = Removed()
    for folder in folders:
        if folder.name not in names:
            removed += Removed(1, sum(map(_size, storage.walk(folder))))
            shutil.rmtree(folder, ignore_errors=True)
    return removed


def remove_temporary_files() -> Removed:
    """Uploads and files half-written that nobody has finished within a day."""
    folders = [storage.working_folder("incoming"), Path(settings.FILE_UPLOAD_TEMP_DIR)]
    half_written = [file for file in storage.walk(storage.working_folder("cache")) if file.suffix == ".tmp"]
    files = [*(file for folder in folders for file in storage.walk(folder)), *half_written]
    return _remove(file for file in files if _is_older(file, SAFE_AGE))


def remove_unused_pixels() -> Removed:
    """Decoded pictures that no training has used for long, and the longest unused where there are too many."""
    total, unused = 0, []
    caches = storage.working_folder("cache/pixels").glob("*.npy")
    for cache in sorted(caches, key=_changed_at, reverse=True):  # the trainer touches a cache at every use
        total += _size(cache)
        too_many = total > MAX_PIXEL_CACHE_BYTES and _is_older(cache, SAFE_AGE)
        if too_many or _is_older(cache, timedelta(days=KEEP_UNUSED_DAYS)):
            unused.append(cache)
    return _remove(unused)


def remove_unused_copies() -> Removed:
    """Copies of files in S3 that nobody has opened here for long."""
    copies = storage.walk(storage.working_folder("cache/files"))
    return _remove(copy for copy in copies if _is_older(copy, timedelta(days=KEEP_UNUSED_DAYS)))


# --- rows
def remove_old_jobs() -> Removed:
    """Ended ones with their files; the newest review of a recognizer stays, however old it is."""
    ended = Job.objects.filter(state__in=Job.ENDED)
    reviews = ended.filter(kind=Job.Kind.REVIEW, state=Job.State.DONE).order_by("recognizer")
    newest = reviews.values("recognizer").annotate(newest=Max("pk")).values("newest")
    removed = Removed()
    for job in ended.filter(ended_at__lt=timezone.now() - Job.KEPT_FOR).exclude(pk__in=newest):
        removed += Removed(1, storage.bytes_below([job.folder]))
        job.remove()
    return removed


def remove_silent_workers() -> Removed:
    count, _ = Worker.objects.filter(seen_at__lt=_days_ago(KEEP_SILENT_WORKERS_DAYS)).delete()
    return Removed(count)


FOLDER_RULES: Rules = {  # of what each machine has for itself; nobody else's cleaning sees it
    "work folders of runs and jobs": remove_work_folders,
    "temporary files": remove_temporary_files,
    "unused pixel caches": remove_unused_pixels,
    "unused copies from S3": remove_unused_copies,
}
RULES: Rules = {
    "checkpoints": remove_checkpoints,
    "pictures without a row": remove_unnamed_pictures,
    "files of versions without a row": remove_unnamed_versions,
    "zips of ended imports": remove_archives,
    "old jobs": remove_old_jobs,
    "files of jobs without a row": remove_files_of_jobs,
    **FOLDER_RULES,
    "silent workers": remove_silent_workers,
}


# --- common to the rules
def _remove_unnamed(files: Iterable[StoredFile], named: set[str]) -> Removed:
    limit = timezone.now() - SAFE_AGE
    left_over = [file for file in files if file.stored_at < limit and file.name not in named]
    return _sum(file for file in left_over if storage.forget_older(file.name, limit))


def _sum(files: Iterable[StoredFile]) -> Removed:
    return sum((Removed(1, file.num_bytes) for file in files), Removed())


def _is_draft(file: StoredFile) -> bool:
    """Whether it was being written, or taken away, when that was cut off."""
    return PurePosixPath(file.name).name.startswith(".")


def _second_part(file: StoredFile) -> str:
    """Of pictures/7/ab/….webp it is 7."""
    return file.name.split("/", 2)[1]


def _remove(files: Iterable[Path]) -> Removed:
    removed = Removed()
    for file in files:
        size = _size(file)
        file.unlink(missing_ok=True)
        removed += Removed(1, size)
    return removed


def _is_older(file: Path, age: timedelta) -> bool:
    return _changed_at(file) < (timezone.now() - age).timestamp()


def _changed_at(file: Path) -> float:
    """Seconds since the epoch; a file that is gone by now counts as new."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return timezone.now().timestamp()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _days_ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)
