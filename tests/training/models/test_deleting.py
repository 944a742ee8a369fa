"""Versions and recognizers go with all that is theirs, unless somebody relies on them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from classifier.models import Prediction
from tests.training.test_storage import _either_store, _in_s3, s3_address  # noqa: F401  fixtures
from tests.types import AddPictures, MakeVersion
from training import storage
from training.artifacts.version_files import VersionFiles
from training.errors import NotPublishable, StillInUse, TrainingError
from training.models import Label, ModelVersion, Picture, PictureImport, Recognizer, TrainingRun
from training.models.versions import version_before

pytestmark = pytest.mark.django_db
PREDICTION: dict[str, Any] = {"label": "circle", "probability": 0.9, "scores": [], "source": "page", "milliseconds": 1}


@pytest.fixture
def fill(add_pictures: AddPictures, make_version: MakeVersion) -> Callable[[Recognizer], None]:
    """Gives a recognizer everything it can have."""

    def fill(recognizer: Recognizer) -> None:
        add_pictures(recognizer, count=2)
        for version in (make_version(recognizer), make_version(recognizer)):
            ModelVersion.objects.filter(recognizer=recognizer).update(is_active=False)
            ModelVersion.objects.filter(pk=version.pk).update(is_active=True)
            version.activations.create(recognizer=recognizer, kind="publish")
            version.predictions.create(**PREDICTION)
        run = recognizer.runs.create(config={}, state="failed", ended_at=timezone.now())
        run.epochs.create(
            number=1, loss=1, accuracy=0, val_loss=1, val_accuracy=0, learning_rate=1, pictures_per_second=1, seconds=1
        )
        for name in ("manifest.json", "1-1-0.npz"):
            storage.keep_bytes(b"state", f"{run.folder}/{name}")
        run.checkpoints.create(lease=1, epoch=1, file=f"{run.folder}/1-1-0.npz", sha256="", num_bytes=5)
        archive = f"imports/{recognizer.slug}.zip"
        storage.keep_bytes(b"zip", archive)
        recognizer.imports.create(name="birds.zip", archive=archive)

    return fill


def vars_of(version: ModelVersion) -> dict[str, Any]:
    """What a further version of the same recognizer can be made from."""
    own = ("id", "number", "run", "folder", "is_active")
    return {field.name: getattr(version, field.name) for field in version._meta.fields if field.name not in own}


def at_once(*actions: Callable[[], object]) -> list[type[Exception]]:
    """Begins actions at the same moment; returns what they raised."""
    start, raised = threading.Barrier(len(actions)), list[type[Exception]]()

    def act(action: Callable[[], object]) -> None:
        start.wait()
        try:
            action()
        except TrainingError as error:
            raised.append(type(error))
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        list(pool.map(act, actions))
    return raised


def files_of(data_dir: Path) -> set[Path]:
    return {path for path in data_dir.rglob("*") if path.is_file()}


@pytest.fixture
def commits(django_capture_on_commit_callbacks: Any) -> Any:
    """What waits for the commit is done at the end of each block, as outside of a test."""
    return django_capture_on_commit_callbacks


# --- versions
@pytest.mark.usefixtures("_either_store")
def test_a_version_goes_with_its_answers_and_files_and_its_run_stays(
    recognizer: Recognizer, make_version: MakeVersion, commits: Any
) -> None:
    version = make_version(recognizer)
    version.predictions.create(**PREDICTION)
    name = f"{version.folder}/network.h5"
    storage.keep_bytes(b"H5", name)
    storage.local_path(name)

    with commits(execute=True):
        version.remove()

    assert not ModelVersion.objects.exists()
    assert not Prediction.objects.exists()
    assert TrainingRun.objects.get().made is None
    assert not storage.local_path(name).exists()


def test_a_version_takes_the_looks_inside_it_along(
    recognizer: Recognizer, make_version: MakeVersion, commits: Any
) -> None:
    version = make_version(recognizer)
    job = version.jobs.create(recognizer=recognizer, kind="inspection")
    storage.keep_bytes(b"drawn", f"{job.folder}/1-input.png")

    with commits(execute=True):
        version.remove()

    assert not recognizer.jobs.exists()
    assert list(storage.files_below("jobs")) == []


def test_the_version_in_use_is_not_deleted(version: ModelVersion) -> None:
    with pytest.raises(StillInUse) as refusal:
        version.remove()

    assert str(refusal.value) == "Version 1 is in use. Publish or roll back to another first."
    version.files.check_h5()


def test_it_is_the_row_that_says_whether_a_version_is_in_use(recognizer: Recognizer, make_version: MakeVersion) -> None:
    seen_before = make_version(recognizer)
    ModelVersion.objects.update(is_active=True)

    with pytest.raises(StillInUse):
        seen_before.remove()


@pytest.mark.django_db(transaction=True)
def test_of_a_publish_and_a_deletion_at_the_same_moment_one_wins(
    version: ModelVersion, make_version: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VersionFiles, "verify", lambda files: None)  # takes long; the transactions are to collide
    for _ in range(10):
        other = make_version(version.recognizer)

        refusals = at_once(partial(other.publish, None), ModelVersion.objects.get(pk=other.pk).remove)

        assert refusals in ([NotPublishable], [StillInUse])
        assert (version.recognizer.versions.active() == other) == (refusals == [StillInUse])
        assert version.recognizer.versions.active().files.h5.exists()


def test_the_history_does_not_lead_back_to_a_deleted_version(
    recognizer: Recognizer, make_version: MakeVersion, commits: Any
) -> None:
    first, second, third = (make_version(recognizer) for _ in range(3))
    for version in (first, second, third):
        version.publish(None)

    with commits(execute=True):
        ModelVersion.objects.get(pk=second.pk).remove()

    assert version_before(recognizer) == first


def test_no_version_gets_the_number_of_a_deleted_one(recognizer: Recognizer, make_version: MakeVersion) -> None:
    first, second = make_version(recognizer), make_version(recognizer)
    second.remove()
    run = recognizer.runs.create(config={}, state="evaluating", lease=1, heartbeat=timezone.now())
    third = ModelVersion(**{**vars_of(first), "run": run, "folder": "versions/third"})

    run.succeed(third)

    assert third.number == 3


def test_a_file_that_cannot_be_removed_is_left_to_the_cleaning(
    recognizer: Recognizer,
    make_version: MakeVersion,
    commits: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr("shutil.rmtree", refuse)
    version = make_version(recognizer)
    folder = version.folder

    with commits(execute=True), caplog.at_level(logging.ERROR):
        version.remove()

    assert not ModelVersion.objects.exists()
    assert folder in caplog.text


# --- recognizers
def test_no_file_of_a_recognizer_is_left_behind(
    fill: Callable[[Recognizer], None], settings: Any, commits: Any
) -> None:
    kept = Recognizer.objects.create(slug="kept", name_en="Kept")
    fill(kept)
    before = files_of(settings.DATA_DIR)
    gone = Recognizer.objects.create(slug="gone", name_en="Gone", is_public=False)
    fill(gone)

    with commits(execute=True):
        gone.remove()

    assert files_of(settings.DATA_DIR) == before
    assert Recognizer.objects.get() == kept
    for model, count in (
        (Picture, 2),
        (Label, 1),
        (ModelVersion, 2),
        (Prediction, 2),
        (TrainingRun, 3),
        (PictureImport, 1),
    ):
        assert model.objects.count() == count, model


@pytest.mark.usefixtures("_in_s3")
def test_no_file_of_a_recognizer_is_left_in_s3(fill: Callable[[Recognizer], None], settings: Any, commits: Any) -> None:
    recognizer = Recognizer.objects.create(slug="gone", name_en="Gone", is_public=False)
    fill(recognizer)
    assert recognizer.pictures.first().path.exists()

    with commits(execute=True):
        recognizer.remove()

    assert [file for folder in ("pictures", "checkpoints", "imports") for file in storage.files_below(folder)] == []
    assert files_of(settings.DATA_DIR / "cache") == set()


def test_a_recognizer_that_visitors_use_is_not_deleted(recognizer: Recognizer, version: ModelVersion) -> None:
    with pytest.raises(StillInUse, match="Visitors use it"):
        recognizer.remove()

    assert Recognizer.objects.exists()


@pytest.mark.parametrize("state", ["queued", "preparing", "training", "evaluating"])
def test_a_recognizer_with_a_run_that_waits_or_works_is_not_deleted(state: str, recognizer: Recognizer) -> None:
    run = recognizer.runs.create(config={}, state=state, lease=1, heartbeat=timezone.now())

    with pytest.raises(StillInUse, match=f"Cancel run {run.pk} first"):
        recognizer.remove()

    assert Recognizer.objects.exists()


def test_a_recognizer_for_staff_only_is_deleted_with_its_version_in_use(
    recognizer: Recognizer, version: ModelVersion
) -> None:
    Recognizer.objects.update(is_public=False)

    recognizer.remove()

    assert not Recognizer.objects.exists()


def test_files_stay_where_the_deletion_was_undone(
    recognizer: Recognizer, add_pictures: AddPictures, commits: Any
) -> None:
    (picture,) = add_pictures(recognizer)
    recognizer.runs.create(config={})

    with commits(execute=True), pytest.raises(StillInUse):
        recognizer.remove()

    assert picture.path.exists()
