"""A disk that still has room, but less than is to stay free: what is refused, what goes on, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client

from classifier.models import Prediction
from tests.types import AddPictures, MakeZip, PictureBytes
from training import storage
from training.config import TrainingConfig
from training.errors import DiskFull
from training.library import imports, intake
from training.models import Job, ModelVersion, Recognizer, TrainingRun
from training.runs import supervisor
from training.runs.training_run import RowReport
from webapp.front.requests import REFUSAL, Refusal
from webapp.operations import readiness

pytestmark = pytest.mark.django_db
UPLOAD = "/manage/shapes/pictures/upload/"
CLASSIFY = "/api/v1/recognizers/shapes/classify"


@pytest.fixture
def take_room(settings: Any) -> Callable[[], None]:
    """From its call on more is to stay free than there is."""

    def take() -> None:
        settings.MIN_FREE_DISK = 10**15

    return take


def test_a_visitor_whose_picture_needs_no_disk_is_answered(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes, take_room: Callable[[], None]
) -> None:
    take_room()

    assert client.post(CLASSIFY, {"file": SimpleUploadedFile("a.png", picture_bytes())}).status_code == 200


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**values: Any) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(Prediction.objects, "create", full)

    assert client.post(CLASSIFY, {"file": SimpleUploadedFile("a.png", picture_bytes())}).status_code == 200


@pytest.mark.parametrize("path", ["/r/shapes/", CLASSIFY])
def test_who_sends_what_finds_no_room_reads_how_much_is_left_and_no_path(
    client: Client, version: ModelVersion, path: str, settings: Any, take_room: Callable[[], None]
) -> None:
    take_room()

    refused = client.post(path, headers={"Accept-Language": "en"}, **{REFUSAL: Refusal.NO_ROOM})  # type: ignore[arg-type]

    assert refused.status_code == 507
    assert "left; 1,000,000 GB are to stay free" in refused.text
    assert str(settings.DATA_DIR) not in refused.text


def test_pictures_that_find_no_room_are_refused_one_by_one_and_those_before_stay(
    staff_client: Client,
    recognizer: Recognizer,
    picture_bytes: PictureBytes,
    monkeypatch: pytest.MonkeyPatch,
    take_room: Callable[[], None],
) -> None:
    monkeypatch.setattr(intake, "AHEAD", 1)
    take_in = intake.add_picture

    def take_first(*args: Any, **values: Any) -> Any:
        take_room()
        return take_in(*args, **values)

    monkeypatch.setattr(intake, "add_picture", take_first)
    files = [SimpleUploadedFile(f"{number}.png", picture_bytes(number=number)) for number in range(3)]

    staff_client.post(UPLOAD, {"label": "circle", "files": files})

    row = recognizer.imports.get()
    assert (row.num_taken, row.num_refused, recognizer.pictures.count()) == (1, 2, 1)
    assert "What was taken is kept; make room" in staff_client.get(f"/manage/imports/{row.pk}/").text


def test_an_import_that_reaches_the_floor_keeps_what_it_took_and_says_so(
    recognizer: Recognizer,
    staff: User,
    make_zip: MakeZip,
    picture_bytes: PictureBytes,
    monkeypatch: pytest.MonkeyPatch,
    take_room: Callable[[], None],
) -> None:
    monkeypatch.setattr(intake, "AHEAD", 2)
    storage.keep_bytes(make_zip({f"circle/{n}.png": picture_bytes(number=n) for n in range(6)}), "imports/a.zip")
    row = recognizer.imports.create(name="a.zip", archive="imports/a.zip", started_by=staff)
    assert row.claim("here")
    take_in = intake.add_picture

    def take_four(*args: Any, **values: Any) -> Any:
        if recognizer.pictures.count() == 3:
            take_room()
        return take_in(*args, **values)

    monkeypatch.setattr(intake, "add_picture", take_four)

    imports.read_archive(row)

    row.refresh_from_db()
    assert (row.state, row.num_taken, recognizer.pictures.count()) == (row.State.FAILED, 4, 4)
    assert "to stay free (MIN_FREE_DISK). What was taken is kept; make room and upload the rest again." in row.error


def test_what_cannot_begin_for_want_of_room_says_so_and_begins_on_a_click(
    staff_client: Client, recognizer: Recognizer, take_room: Callable[[], None]
) -> None:
    run = recognizer.runs.create(config=TrainingConfig.for_network("cnn").to_dict())
    job = recognizer.jobs.create(kind=Job.Kind.REVIEW)
    take_room()

    for row in (run, job):
        assert supervisor.carry_out(row)
        row.refresh_from_db()
        assert (row.state, "So it was not begun. Make room" in row.error) == (row.FAILED, True)

    staff_client.post(f"/manage/runs/{run.pk}/run-again/")
    assert recognizer.runs.filter(state=TrainingRun.State.QUEUED).count() == 1


def test_a_training_that_reaches_the_floor_keeps_its_checkpoint_and_can_go_on(
    recognizer: Recognizer, tmp_path: Path, take_room: Callable[[], None]
) -> None:
    run = recognizer.runs.create(config=TrainingConfig.for_network("cnn").to_dict())
    assert run.claim("here")
    (tmp_path / "checkpoint.npz").write_bytes(b"weights")
    take_room()

    with pytest.raises(DiskFull, match="let the run go on") as caught:
        RowReport(run).checkpoint(tmp_path / "checkpoint.npz", epoch=1, step=0)
    run.fail(caught.value)

    run.refresh_from_db()
    assert run.go_on()
    assert run.checkpoints.get().path.read_bytes() == b"weights"


def test_a_backup_that_would_leave_too_little_room_is_not_begun(
    recognizer: Recognizer, add_pictures: AddPictures, tmp_path: Path, take_room: Callable[[], None]
) -> None:
    add_pictures(recognizer)
    take_room()

    with pytest.raises(CommandError, match="No backup was made; make room, or name a folder on another disk"):
        call_command("backup", str(tmp_path / "backup"))

    assert not list(tmp_path.glob("backup*"))


def test_staff_see_what_is_left_before_it_is_too_little(staff_client: Client, take_room: Callable[[], None]) -> None:
    before = staff_client.get("/manage/").text
    take_room()
    after = staff_client.get("/manage/").text

    assert "uploads, imports and trainings are refused." in before
    assert "are refused until there is room" in after


def test_a_disk_with_too_little_room_is_a_degraded_site_that_answers(
    client: Client, version: ModelVersion, take_room: Callable[[], None]
) -> None:
    readiness.checks["disk"].forget()
    take_room()

    answer = client.get("/readyz")

    assert answer.json()["checks"]["disk"]["status"] == "degraded"
    readiness.checks["disk"].forget()
