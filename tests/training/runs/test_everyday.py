"""Everyday things as rows: taken from what was made while installing, or made by a run; and recognizers of some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.prebuilt import make_prebuilt
from training import storage
from training.artifacts.files import sha256_of
from training.artifacts.version_files import H5_NAME
from training.errors import AlreadyThere, BrokenArtifact
from training.library.everyday_classes import everyday_classes, imagenet_classes
from training.models import ModelVersion, Recognizer, TrainingRun
from training.runs import everyday, prebuilt
from training.runs.everyday import add_everyday, classes_known, keep_classes
from training.runs.prebuilt import Prebuilt

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prebuilt, "SHARE", tmp_path / "share")


@pytest.fixture
def made(tiny_files: Path) -> Path:
    """The folder of what was made while installing."""
    return make_prebuilt(tiny_files)


@pytest.fixture
def run(made: Path) -> TrainingRun:
    return TrainingRun.objects.get(pk=add_everyday(None).pk)


def test_what_was_made_while_installing_answers_at_once(run: TrainingRun, made: Path) -> None:
    version = run.version

    assert (run.state, run.num_epochs, run.device) == (TrainingRun.State.SUCCEEDED, 0, "CPU")
    assert (version.is_active, version.trouble, version.test_accuracy, version.evaluation) == (True, "", None, {})
    assert version.class_names == sorted(imagenet_classes())
    version.files.verify()
    assert (made / H5_NAME).exists()  # copied, so that another installation finds it too
    assert list(storage.working_folder("runs").iterdir()) == []


def test_its_labels_have_names_in_both_languages(run: TrainingRun) -> None:
    labels = run.recognizer.labels

    assert labels.count() == len(everyday_classes())
    assert not labels.filter(name_en="").exists()
    assert labels.get(key="clock").name_zh == "时钟"


def test_where_nothing_was_made_a_run_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    run = add_everyday(None)

    assert (run.state, run.publish_when_done) == (TrainingRun.State.QUEUED, True)
    assert run.imagenet_classes == imagenet_classes()
    assert not run.recognizer.versions.exists()


def test_what_is_not_whole_any_more_is_not_taken(made: Path) -> None:
    with (made / H5_NAME).open("r+b") as file:
        file.write(b"x")

    assert Prebuilt.found() is None
    assert add_everyday(None).state == TrainingRun.State.QUEUED


def test_where_it_would_leave_too_little_room_its_run_says_so(made: Path, settings: Any) -> None:
    settings.MIN_FREE_DISK = 10**18

    assert add_everyday(None).state == TrainingRun.State.QUEUED


def test_what_another_release_made_is_not_taken(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prebuilt, "FORMAT", prebuilt.FORMAT + 1)

    assert Prebuilt.found() is None


def test_what_answers_wrongly_is_not_published(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(files: object) -> None:
        raise BrokenArtifact("It answers otherwise.")

    monkeypatch.setattr("training.artifacts.version_files.VersionFiles.verify", differs)

    run = add_everyday(None)

    assert (run.version.is_active, run.version.trouble) == (False, "It answers otherwise.")


def test_it_is_all_there_or_not_at_all(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(*args: object) -> None:
        raise OSError("cut off")

    monkeypatch.setattr(everyday, "keep", break_off)
    with pytest.raises(OSError, match="cut off"):
        add_everyday(None)

    assert not Recognizer.objects.exists()
    assert not TrainingRun.objects.exists()


def test_there_is_never_a_second_one(run: TrainingRun) -> None:
    with pytest.raises(AlreadyThere, match="everyday"):
        add_everyday(None)

    assert Recognizer.objects.count() == 1


def test_some_of_it_makes_a_recognizer_of_ones_own(run: TrainingRun, staff: User) -> None:
    mine = Recognizer(slug="kitchen", name_en="Kitchen")

    own = keep_classes(run.recognizer, ["teapot", "clock", "no such"], mine, staff)

    assert (own.state, own.publish_when_done, own.started_by) == (TrainingRun.State.QUEUED, True, staff)
    assert own.imagenet_classes == {"clock": [409, 892], "teapot": imagenet_classes()["teapot"]}
    assert [each.name_zh for each in mine.labels.all()] == ["时钟", "茶壶"]


def test_a_label_that_was_deleted_can_still_be_kept(run: TrainingRun) -> None:
    run.recognizer.labels.filter(key="clock").delete()
    mine = Recognizer(slug="kitchen", name_en="Kitchen")

    keep_classes(run.recognizer, ["teapot", "clock"], mine, None)

    assert mine.labels.get(key="clock").name == "clock"


def test_what_is_known_of_imagenet_is_that_of_the_newest_version(run: TrainingRun, version: ModelVersion) -> None:
    assert classes_known(version.recognizer) == {}
    assert classes_known(run.recognizer) == run.imagenet_classes

    ModelVersion.objects.filter(pk=run.version.pk).delete()

    assert classes_known(run.recognizer) == {}


def test_a_run_asked_for_again_knows_the_same(run: TrainingRun) -> None:
    again = run.again(None)

    assert again.imagenet_classes == run.imagenet_classes
    assert (again.config, again.num_epochs, again.publish_when_done) == (run.config, 0, False)


@pytest.mark.keras
@pytest.mark.usefixtures("_real_processes")
def test_a_run_that_waited_is_carried_out_like_any_other(staff: User) -> None:
    from training.runs.supervisor import carry_out

    recognizer = Recognizer.objects.create(slug="kitchen", name_en="Kitchen")
    run = everyday.know(recognizer, {"teapot": [849], "clock": [409, 892]}, staff)

    carry_out(run)

    run.refresh_from_db()
    assert (run.state, run.error, run.epochs_done) == (TrainingRun.State.SUCCEEDED, "", 0)
    assert run.version.is_active
    assert run.version.class_names == ["clock", "teapot"]
    assert run.version.serving_model_difference <= 1e-4
    assert sha256_of(run.version.files.h5) == run.version.h5_sha256
