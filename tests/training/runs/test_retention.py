"""What the clock may throw away, and what it must leave."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.utils import timezone

from tests.training.test_storage import _either_store, _in_s3, s3_address  # noqa: F401  fixtures
from tests.types import AddPictures, MakeVersion
from training import storage
from training.artifacts.version_files import H5_NAME, PREDICTIONS_NAME, SERVING_MODEL_NAMES
from training.models import Checkpoint, Job, ModelVersion, Picture, PictureImport, Recognizer, TrainingRun, Worker
from training.runs import retention
from training.runs.retention import Removed

pytestmark = pytest.mark.django_db
HOUR, DAY = 3600, 86_400
State = TrainingRun.State


@pytest.fixture
def make_run(recognizer: Recognizer) -> Callable[..., TrainingRun]:
    def make(state: str, *, ended: timedelta = timedelta()) -> TrainingRun:
        has_ended = state in TrainingRun.ENDED
        return recognizer.runs.create(
            config={},
            state=state,
            lease=1,
            heartbeat=None if has_ended else timezone.now(),
            ended_at=timezone.now() - ended if has_ended else None,
        )

    return make


@pytest.fixture
def make_checkpoint() -> Callable[[TrainingRun], Checkpoint]:
    def make(run: TrainingRun) -> Checkpoint:
        storage.keep_bytes(b"manifest", f"checkpoints/{run.pk}/manifest.json")
        file = f"checkpoints/{run.pk}/1-1-0.npz"
        storage.keep_bytes(b"weights", file)
        return run.checkpoints.create(lease=1, epoch=1, file=file, sha256="", num_bytes=7)

    return make


@pytest.fixture
def in_two_days(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Sets the clock forward, so that what lies in any store by now is old."""

    def travel() -> None:
        now = timezone.now

        def later() -> datetime:
            return now() + timedelta(days=2)

        monkeypatch.setattr("django.utils.timezone.now", later)

    return travel


def make_file(path: Path, *, age: float, size: int = 4) -> Path:
    """A file last touched so many seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def stored() -> set[str]:
    return {file.name for folder in ("checkpoints", "pictures", "versions", "imports") for file in _listed(folder)}


def files_of(version: ModelVersion) -> list[str]:
    return [f"{version.folder}/{name}" for name in (H5_NAME, *SERVING_MODEL_NAMES, PREDICTIONS_NAME)]


def _listed(folder: str) -> list[storage.StoredFile]:
    return list(storage.files_below(folder))


# --- the rules
def test_a_rule_that_fails_is_named_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Removed:
        raise OSError("the disk is on fire")

    done = retention.follow({"first": fail, "second": lambda: Removed(1, 10)})

    assert done == {"first": None, "second": Removed(1, 10)}
    assert "the disk is on fire" in caplog.text


def test_every_rule_finds_nothing_in_an_empty_installation() -> None:
    assert set(retention.follow(retention.RULES).values()) == {Removed()}


@pytest.mark.usefixtures("_either_store")
def test_what_is_in_use_outlives_every_rule(
    recognizer: Recognizer,
    make_version: MakeVersion,
    add_pictures: AddPictures,
    make_run: Callable[..., TrainingRun],
    make_checkpoint: Callable[[TrainingRun], Checkpoint],
    in_two_days: Callable[[], None],
) -> None:
    version = make_version(recognizer)
    storage.keep_bytes(b"H5", f"{version.folder}/network.h5")
    storage.keep_bytes(b"zip", "imports/1.zip")
    recognizer.imports.create(name="birds.zip", archive="imports/1.zip")
    add_pictures(recognizer, count=3)
    make_checkpoint(make_run(State.TRAINING))
    before = stored()
    in_two_days()

    retention.follow(retention.RULES)

    assert stored() == before


@pytest.mark.usefixtures("_either_store")
def test_what_has_just_been_stored_waits_for_its_row() -> None:
    names = {"pictures/1/aa/aa.webp", "versions/1/7-1/network.h5", "imports/1.zip"}
    for name in names:
        storage.keep_bytes(b"new", name)

    retention.follow(retention.RULES)

    assert stored() == names


# --- checkpoints
@pytest.mark.usefixtures("_either_store")
@pytest.mark.parametrize("state", [State.SUCCEEDED, State.CANCELLED])
def test_a_run_that_has_ended_well_or_was_cancelled_keeps_no_checkpoint(
    state: str, make_run: Callable[..., TrainingRun], make_checkpoint: Callable[[TrainingRun], Checkpoint]
) -> None:
    make_checkpoint(make_run(state))

    removed = retention.remove_checkpoints()

    assert removed == Removed(2, 15)
    assert not Checkpoint.objects.exists()
    assert stored() == set()


def test_a_failed_run_can_go_on_for_two_weeks(
    make_run: Callable[..., TrainingRun], make_checkpoint: Callable[[TrainingRun], Checkpoint]
) -> None:
    late, soon = make_run(State.FAILED, ended=timedelta(days=15)), make_run(State.FAILED, ended=timedelta(days=13))
    for run in (late, soon):
        make_checkpoint(run)

    retention.remove_checkpoints()

    assert not late.can_go_on
    assert soon.can_go_on
    assert {Path(name).parent.name for name in stored()} == {str(soon.pk)}


@pytest.mark.parametrize("state", [State.QUEUED, State.TRAINING])
def test_a_run_that_goes_on_keeps_its_checkpoints(
    state: str,
    make_run: Callable[..., TrainingRun],
    make_checkpoint: Callable[[TrainingRun], Checkpoint],
    in_two_days: Callable[[], None],
) -> None:
    make_checkpoint(make_run(state))
    in_two_days()

    assert retention.remove_checkpoints() == Removed()
    assert len(stored()) == 2


def test_the_checkpoints_of_a_run_that_is_gone_go_after_a_day(
    make_run: Callable[..., TrainingRun],
    make_checkpoint: Callable[[TrainingRun], Checkpoint],
    in_two_days: Callable[[], None],
) -> None:
    run = make_run(State.FAILED)
    make_checkpoint(run)
    run.delete()

    assert retention.remove_checkpoints() == Removed()  # it may be a backup whose rows are about to come
    in_two_days()
    assert retention.remove_checkpoints() == Removed(2, 15)
    assert stored() == set()


@pytest.mark.usefixtures("_either_store")
def test_a_checkpoint_without_a_row_goes_after_a_day(
    make_run: Callable[..., TrainingRun],
    make_checkpoint: Callable[[TrainingRun], Checkpoint],
    in_two_days: Callable[[], None],
) -> None:
    run = make_run(State.TRAINING)
    make_checkpoint(run)
    storage.keep_bytes(b"cut off", f"{run.folder}/1-2-0.npz")

    assert retention.remove_checkpoints() == Removed()
    in_two_days()
    assert retention.remove_checkpoints() == Removed(1, 7)
    assert run.checkpoints.get().file in stored()


# --- files that no row names
@pytest.mark.usefixtures("_either_store")
def test_files_without_a_row_go_after_a_day(
    recognizer: Recognizer,
    add_pictures: AddPictures,
    make_version: MakeVersion,
    in_two_days: Callable[[], None],
) -> None:
    add_pictures(recognizer, count=2)
    Picture.objects.first().delete()
    storage.keep_bytes(b"H5", f"versions/{recognizer.pk}/99-1/network.h5")
    storage.keep_bytes(b"half", f"{make_version(recognizer).folder}/.network.h5-0123")
    storage.keep_bytes(b"lost", "pictures/987654/aa/aa.webp")
    storage.keep_bytes(b"zip", "imports/1.zip")
    in_two_days()

    done = retention.follow(retention.RULES)

    assert done["pictures without a row"].count == 2
    assert done["files of versions without a row"] == Removed(2, 6)
    assert done["zips of ended imports"] == Removed(1, 3)
    assert stored() - set(files_of(ModelVersion.objects.get())) == {Picture.objects.get().file}


@pytest.mark.parametrize("state", PictureImport.State.values)
def test_a_zip_stays_until_its_import_has_ended(
    state: str, recognizer: Recognizer, in_two_days: Callable[[], None]
) -> None:
    storage.keep_bytes(b"zip", "imports/1.zip")
    times = {"heartbeat": timezone.now(), "ended_at": timezone.now() if state in PictureImport.ENDED else None}
    recognizer.imports.create(name="birds.zip", archive="imports/1.zip", state=state, **times)
    in_two_days()

    retention.remove_archives()

    assert bool(stored()) == (state in ("queued", "reading"))


@pytest.mark.usefixtures("_either_store")
def test_a_file_that_was_stored_anew_meanwhile_stays() -> None:
    storage.keep_bytes(b"again", "pictures/1/aa/aa.webp")

    assert not storage.forget_older("pictures/1/aa/aa.webp", timezone.now() - timedelta(days=1))
    assert storage.local_path("pictures/1/aa/aa.webp").read_bytes() == b"again"


@pytest.mark.usefixtures("_either_store")
def test_a_file_that_another_cleaning_has_removed_is_no_error() -> None:
    assert not storage.forget_older("pictures/1/aa/aa.webp", timezone.now())


@pytest.mark.usefixtures("_in_s3")
def test_a_listing_of_s3_has_our_names_and_nothing_of_a_namesake(s3_address: Any) -> None:  # noqa: F811
    storage.keep_bytes(b"one", "pictures/1/aa/aa.webp")
    storage.keep_bytes(b"twelve", "pictures/12/aa/aa.webp")

    storage.forget_folder("pictures/1")

    assert [(file.name, file.num_bytes) for file in _listed("pictures")] == [("pictures/12/aa/aa.webp", 6)]
    bucket = boto3.resource("s3", endpoint_url=s3_address, region_name="us-east-1").Bucket("pictures")
    assert [each.key for each in bucket.objects.all()] == ["discern/pictures/12/aa/aa.webp"]


# --- this machine's folders
def test_the_work_folder_of_a_killed_run_goes_after_an_hour(
    settings: Any, make_run: Callable[..., TrainingRun]
) -> None:
    run = make_run(State.FAILED)
    output = make_file(settings.DATA_DIR / f"runs/{run.pk}-1/output.txt", age=2 * HOUR, size=10)

    assert retention.remove_work_folders() == Removed()
    _age(output.parent, 2 * HOUR)
    assert retention.remove_work_folders() == Removed(1, 10)
    assert not output.parent.exists()


@pytest.mark.parametrize(
    ("lease", "silent_hours", "stays"),
    [(1, 0, True), (2, 0, False), (1, 2, True)],
    ids=["mine", "older", "long silent"],
)
def test_the_work_folder_of_a_run_that_works_stays(
    lease: Any, silent_hours: Any, stays: Any, settings: Any, make_run: Callable[..., TrainingRun]
) -> None:
    run = make_run(State.TRAINING)
    TrainingRun.objects.update(lease=lease, heartbeat=timezone.now() - timedelta(hours=silent_hours))
    folder = make_file(settings.DATA_DIR / f"runs/{run.pk}-1/output.txt", age=0).parent
    _age(folder, 3 * HOUR)

    retention.remove_work_folders()

    assert folder.exists() == stays


def test_the_work_folder_of_a_run_that_has_just_ended_is_left_to_its_worker(
    settings: Any, make_run: Callable[..., TrainingRun]
) -> None:
    run = make_run(State.SUCCEEDED)
    TrainingRun.objects.update(heartbeat=timezone.now())
    folder = make_file(settings.DATA_DIR / f"runs/{run.pk}-1/output.txt", age=0).parent
    _age(folder, 3 * HOUR)

    retention.remove_work_folders()

    assert folder.exists()


@pytest.mark.parametrize(
    "place", ["incoming/tmpabc", "tmp/upload.zip", "cache/pixels/a.tmp", "cache/files/pictures/a.tmp"]
)
def test_what_was_written_half_goes_after_a_day(place: Any, settings: Any) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = settings.DATA_DIR / "tmp"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    old = make_file(settings.DATA_DIR / place, age=2 * DAY)
    young = make_file(settings.DATA_DIR / f"{place}.tmp", age=HOUR)

    assert retention.remove_temporary_files() == Removed(1, 4)
    assert young.exists()
    assert not old.exists()


def test_a_pixel_cache_goes_when_it_was_of_no_use_for_two_weeks(settings: Any) -> None:
    pixels = settings.DATA_DIR / "cache" / "pixels"
    make_file(pixels / "old.npy", age=15 * DAY)
    make_file(pixels / "used.npy", age=13 * DAY)

    assert retention.remove_unused_pixels() == Removed(1, 4)
    assert [each.name for each in pixels.iterdir()] == ["used.npy"]


def test_of_too_many_pixel_caches_the_longest_unused_go(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_PIXEL_CACHE_BYTES", 25)
    pixels = settings.DATA_DIR / "cache" / "pixels"
    for days in (2, 3, 4, 5):
        make_file(pixels / f"{days}.npy", age=days * DAY, size=10)

    assert retention.remove_unused_pixels() == Removed(2, 20)
    assert sorted(each.name for each in pixels.iterdir()) == ["2.npy", "3.npy"]


def test_pixel_caches_of_today_stay_however_large(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_PIXEL_CACHE_BYTES", 5)
    make_file(settings.DATA_DIR / "cache" / "pixels" / "a.npy", age=HOUR, size=10)

    assert retention.remove_unused_pixels() == Removed()


@pytest.mark.usefixtures("_in_s3")
def test_a_copy_from_s3_stays_as_long_as_it_is_used() -> None:
    for name in ("used", "unused"):
        storage.keep_bytes(b"pixels", f"pictures/1/{name}")
        _age(storage.local_path(f"pictures/1/{name}"), 15 * DAY)
    copy = storage.local_path("pictures/1/used")

    assert retention.remove_unused_copies() == Removed(1, 6)
    assert [each.name for each in copy.parent.iterdir()] == ["used"]


def _age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


# --- rows
def test_a_worker_that_was_not_seen_for_a_day_is_forgotten() -> None:
    facts: dict[str, Any] = {"host": "gpu1", "device": "CPU", "num_cores": 2, "memory_bytes": 1}
    for hours in (23, 25):
        at = timezone.now() - timedelta(hours=hours)
        Worker.objects.create(name=f"silent {hours}", started_at=at, seen_at=at, **facts)

    assert retention.remove_silent_workers() == Removed(1)
    assert Worker.objects.get().name == "silent 23"


# --- jobs
@pytest.fixture
def make_job(recognizer: Recognizer) -> Callable[..., Job]:
    def make(kind: str = "inspection", state: str = "done", *, ended: timedelta = timedelta(days=8)) -> Job:
        has_ended = state in Job.ENDED
        job = recognizer.jobs.create(
            kind=kind,
            state=state,
            heartbeat=None if has_ended else timezone.now(),
            ended_at=timezone.now() - ended if has_ended else None,
        )
        storage.keep_bytes(b"drawn", f"{job.folder}/1-input.png")
        return job

    return make


@pytest.mark.usefixtures("_either_store")
def test_a_job_that_ended_long_ago_goes_with_its_files(
    make_job: Callable[..., Job], django_capture_on_commit_callbacks: Any
) -> None:
    make_job()
    young, working = make_job(ended=timedelta(days=6)), make_job(state="working")

    with django_capture_on_commit_callbacks(execute=True):
        assert retention.remove_old_jobs() == Removed(1, 5)

    assert set(Job.objects.all()) == {young, working}
    assert {file.name for file in _listed("jobs")} == {f"{job.folder}/1-input.png" for job in (young, working)}


def test_the_newest_review_of_a_recognizer_stays(make_job: Callable[..., Job]) -> None:
    _, newest, _ = make_job("review"), make_job("review"), make_job("review", "failed")

    assert retention.remove_old_jobs().count == 2

    assert Job.objects.get() == newest


@pytest.mark.usefixtures("_either_store")
def test_files_of_a_job_without_a_row_go_after_a_day(
    make_job: Callable[..., Job], in_two_days: Callable[[], None]
) -> None:
    kept = make_job(ended=timedelta())
    storage.keep_bytes(b"drawn", "jobs/999/1-input.png")
    assert retention.remove_files_of_jobs() == Removed()

    in_two_days()

    assert retention.remove_files_of_jobs() == Removed(1, 5)
    assert [file.name for file in _listed("jobs")] == [f"{kept.folder}/1-input.png"]


def test_the_work_folder_of_a_job_is_left_to_it_while_it_lives(make_job: Callable[..., Job], settings: Any) -> None:
    working = make_job(state="working")
    files = [
        make_file(Path(settings.DATA_DIR) / f"jobs/{name}/output.txt", age=0) for name in (f"{working.pk}-0", "7-1")
    ]
    for file in files:
        os.utime(file.parent, (0, 0))

    retention.remove_work_folders()

    assert [file.exists() for file in files] == [True, False]
