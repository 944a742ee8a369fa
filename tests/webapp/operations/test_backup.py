"""Backups of a real installation of two shapes: taken while it changes, broken off, damaged, and put back elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from classifier.engine import engine
from classifier.models import Prediction
from tests.drawings import draw, encoded
from tests.training.test_storage import _in_s3, s3_address  # noqa: F401
from tests.types import AddPictures
from training import storage
from training.artifacts.files import sha256_of
from training.data.images import ingest
from training.library.intake import add_picture
from training.models import ModelVersion, Picture, Recognizer, TrainingRun
from webapp.errors import NoBackup, NotRestorable
from webapp.operations.backup.contents import DESCRIPTION, FILES, ROWS, SUMS, write_sums
from webapp.operations.backup.restore import restore_backup
from webapp.operations.backup.rows import snapshot
from webapp.operations.backup.take import take_backup

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def everything(version: ModelVersion, add_pictures: AddPictures, staff: User) -> Recognizer:
    """A recognizer with a row of nearly every model."""
    recognizer = version.recognizer
    recognizer.pictures.filter(pk__in=[each.pk for each in add_pictures(recognizer, count=3)]).update(added_by=staff)
    staff.groups.add(Group.objects.create(name="labellers"))
    staff.user_permissions.add(Permission.objects.get(codename="add_picture"))
    LogEntry.objects.log_actions(staff.pk, [recognizer], CHANGE, "renamed", single_object=True)
    Prediction.objects.create(
        version=version,
        label="circle",
        probability=2 / 3,
        scores=[{"label": "圆", "probability": 2 / 3}],
        milliseconds=1,
    )
    storage.keep_bytes(b"a zip", "imports/waits.zip")
    reading = {"state": "reading", "heartbeat": timezone.now(), "started_by": staff}
    recognizer.imports.create(name="waits.zip", archive="imports/waits.zip", **reading)
    add_checkpoint(working_run(recognizer))
    return recognizer


def working_run(recognizer: Recognizer, **values: Any) -> TrainingRun:
    """A run that a process on this machine was training when the backup was taken."""
    now = timezone.now()
    held = {"state": "training", "lease": 2, "attempts": 2, "owner": "here:1", "heartbeat": now, "started_at": now}
    return recognizer.runs.create(config={"epochs": 3}, manifest_sha256="0" * 64, **{**held, **values})


def add_checkpoint(run: TrainingRun) -> None:
    storage.keep_bytes(b"what it learned", f"checkpoints/{run.pk}/2-1-0.npz")
    storage.keep_bytes(b"{}", f"checkpoints/{run.pk}/manifest.json")
    sha256 = hashlib.sha256(b"what it learned").hexdigest()
    run.checkpoints.create(lease=2, epoch=1, file=f"checkpoints/{run.pk}/2-1-0.npz", sha256=sha256, num_bytes=15)


def empty_the_installation() -> None:
    call_command("flush", "--no-input", verbosity=0)
    shutil.rmtree(settings.MEDIA_ROOT)
    engine.close_all()


def scores(recognizer: Recognizer) -> list[float]:
    return [each.probability for each in engine.classify(recognizer, BytesIO(encoded(draw("square", 7)))).scores]


def rows(backup: Path, label: str = "") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (backup / ROWS).read_text().splitlines()]
    return [line for line in lines if not label or line["model"] == label]


def picture_files(backup: Path) -> list[Path]:
    fields = [row["fields"] for row in rows(backup, "training.picture")]
    return [
        backup / FILES / f"pictures/{each['recognizer']}/{each['sha256'][:2]}/{each['sha256']}.webp" for each in fields
    ]


def sum_up(backup: Path) -> None:
    """Make the hashes fit again after a change by hand."""
    names = [line.split("  ")[1] for line in (backup / SUMS).read_text().splitlines()]
    write_sums(backup, {name: sha256_of(backup / name) for name in names})


def is_whole(backup: Path) -> bool:
    return subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=backup, check=False).returncode == 0


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "manage.py", *map(str, arguments)]
    env, pipe = {**os.environ, **environment}, subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True)


def manage(*arguments: object, **environment: str) -> str:
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def wait_for(happened: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


@contextmanager
def stuck_at(picture: Picture) -> Iterator[None]:
    """Whoever reads this picture waits for ever."""
    data = picture.path.read_bytes()
    picture.path.unlink()
    os.mkfifo(picture.path)
    yield
    picture.path.unlink()
    picture.path.write_bytes(data)


@pytest.fixture
def empty_machine(tmp_path: Path) -> dict[str, str]:
    """The environment of an installation on SQLite of which nothing exists yet."""
    return {"DATABASE_URL": "", "DATA_DIR": str(tmp_path / "elsewhere")}


# --- there and back
def test_a_restored_version_answers_with_the_same_scores(version: ModelVersion, backup: Path) -> None:
    before = scores(version.recognizer)
    take_backup(backup)
    empty_the_installation()

    restore_backup(backup)

    assert scores(Recognizer.objects.get()) == before


@pytest.mark.usefixtures("_real_processes")
def test_an_empty_machine_classifies_at_once(
    version: ModelVersion, backup: Path, empty_machine: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "square.png").write_bytes(encoded(draw("square", 7)))
    here = manage("classify", "shapes", tmp_path / "square.png", "--json")
    manage("backup", backup)

    manage("restore", backup, **empty_machine)

    assert manage("classify", "shapes", tmp_path / "square.png", "--json", **empty_machine) == here


def test_every_row_comes_back_as_it_was(everything: Recognizer, backup: Path, tmp_path: Path) -> None:
    TrainingRun.objects.active().update(state="failed", ended_at=timezone.now())  # else it is queued again
    everything.imports.update(state="queued")
    take_backup(backup)
    empty_the_installation()

    restore_backup(backup)

    take_backup(tmp_path / "again")
    assert (tmp_path / "again" / ROWS).read_text() == (backup / ROWS).read_text()


def test_every_file_comes_back_as_it_was(everything: Recognizer, backup: Path, tmp_path: Path) -> None:
    before = take_backup(backup)
    empty_the_installation()

    restore_backup(backup)

    assert take_backup(tmp_path / "again").num_bytes == before.num_bytes
    sums = [(folder / SUMS).read_text().splitlines() for folder in (backup, tmp_path / "again")]
    assert [line for line in sums[0] if FILES in line] == [line for line in sums[1] if FILES in line]


def test_the_kinds_of_files_are_all_there(everything: Recognizer, backup: Path) -> None:
    take_backup(backup)

    assert {path.relative_to(backup / FILES).parts[0] for path in (backup / FILES).rglob("*") if path.is_file()} == {
        "pictures",
        "versions",
        "checkpoints",
        "imports",
    }
    assert list((backup / FILES).glob("checkpoints/*/manifest.json"))


def test_what_a_push_of_a_button_computes_again_stays_out(version: ModelVersion, backup: Path) -> None:
    job = version.jobs.create(recognizer=version.recognizer, kind="inspection")
    storage.keep_bytes(b"drawn", f"{job.folder}/1-input.png")

    take_backup(backup)

    assert rows(backup, "training.job") == []
    assert not (backup / FILES / "jobs").exists()


def test_new_rows_are_numbered_after_the_restored_ones(
    recognizer: Recognizer, add_pictures: AddPictures, backup: Path
) -> None:
    (*_, last) = add_pictures(recognizer, count=3)
    take_backup(backup)
    empty_the_installation()
    restore_backup(backup)

    (new,) = add_pictures(Recognizer.objects.get(), label="square")

    assert new.pk > last.pk


def test_accounts_log_in_with_their_passwords(staff: User, backup: Path) -> None:
    take_backup(backup)
    empty_the_installation()

    restore_backup(backup)

    assert User.objects.get().check_password("a long password")


def test_who_is_logged_in_and_the_secret_key_stay_out(
    staff_client: object, recognizer: Recognizer, backup: Path
) -> None:
    take_backup(backup)

    text = (backup / ROWS).read_text()
    assert "sessions." not in text
    assert settings.SECRET_KEY not in text


def test_a_backup_of_a_local_store_goes_into_s3_and_back(
    everything: Recognizer, backup: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before = take_backup(backup)
    call_command("flush", "--no-input", verbosity=0)
    request.getfixturevalue("_in_s3")

    restore_backup(backup)

    after = take_backup(tmp_path / "again")
    assert (after.num_files, after.num_bytes, after.unsound) == (before.num_files, before.num_bytes, [])
    assert not any((tmp_path / "data" / "cache").rglob("*.webp"))


# --- work that was going on
def test_a_run_that_was_training_is_queued_again_with_its_checkpoints(everything: Recognizer, backup: Path) -> None:
    take_backup(backup)
    empty_the_installation()

    restore_backup(backup)

    run = TrainingRun.objects.queued().get()
    run.checkpoints.get().check_file()
    assert (run.owner, run.attempts, run.lease) == ("", 0, 2)
    assert "restored from a backup" in run.interruption


def test_a_run_that_was_to_be_cancelled_has_ended(recognizer: Recognizer, backup: Path) -> None:
    working_run(recognizer, cancel_requested=True)
    take_backup(backup)
    empty_the_installation()

    restore_backup(backup)

    assert TrainingRun.objects.get().state == TrainingRun.State.CANCELLED


def test_an_import_that_was_being_read_waits_again(everything: Recognizer, backup: Path) -> None:
    take_backup(backup)
    empty_the_installation()

    restore_backup(backup)

    assert Recognizer.objects.get().imports.get().state == "queued"


# --- while the site is running
def test_a_backup_holds_nobody_up_and_sees_one_moment(recognizer: Recognizer) -> None:
    def rename() -> None:
        with closing(connection):
            Recognizer.objects.update(name_en="Renamed")

    with snapshot():
        before = Recognizer.objects.get().name_en
        writer = threading.Thread(target=rename)
        writer.start()
        writer.join(timeout=10)
        during = Recognizer.objects.get().name_en

    assert (before, during, Recognizer.objects.get().name_en) == ("Shapes", "Shapes", "Renamed")


def test_a_backup_fits_together_while_pictures_come_and_go(
    recognizer: Recognizer, add_pictures: AddPictures, tmp_path: Path
) -> None:
    add_pictures(recognizer, count=40)
    with coming_and_going(recognizer) as changes:
        for number in range(8):
            seen = len(changes)
            made = take_backup(tmp_path / str(number))

            assert len(changes) > seen
            assert made.unsound == []
            assert all(path.is_file() for path in picture_files(tmp_path / str(number)))
            assert len(picture_files(tmp_path / str(number))) == made.num_files
            assert is_whole(tmp_path / str(number))


@contextmanager
def coming_and_going(recognizer: Recognizer) -> Iterator[list[int]]:
    """Pictures are added and deleted all the time, as the site does it; counts the changes."""
    ended = threading.Event()
    changes: list[int] = []

    def work() -> None:
        with closing(connection):
            for number in range(1000, 1_000_000):
                if ended.is_set():
                    return
                add_picture(recognizer, "circle", f"{number}.png", ingest(encoded(draw("circle", number))), None)
                oldest = recognizer.pictures.order_by("?").first()
                stored = oldest.file
                oldest.delete()
                storage.forget(stored)
                changes.append(number)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield changes
    finally:
        ended.set()
        worker.join()


# --- broken off
@pytest.mark.usefixtures("_real_processes")
def test_a_killed_backup_is_never_mistaken_for_one(
    recognizer: Recognizer, add_pictures: AddPictures, backup: Path
) -> None:
    pictures = add_pictures(recognizer, count=20)
    partial = backup.with_name("backup.partial")
    with stuck_at(pictures[10]):
        process = start("backup", backup)
        wait_for(lambda: len(list(partial.rglob("*.webp"))) >= 19)
        kill(process)

    assert not backup.exists()
    take_backup(backup)
    assert is_whole(backup)
    assert not partial.exists()


@pytest.mark.usefixtures("_real_processes")
def test_two_backups_never_write_into_one_folder(
    recognizer: Recognizer, add_pictures: AddPictures, backup: Path
) -> None:
    (picture,) = add_pictures(recognizer)
    with stuck_at(picture):
        process = start("backup", backup)
        wait_for(lambda: list(backup.with_name("backup.partial").rglob("*.webp")))

        with pytest.raises(CommandError, match="Another backup is writing"):
            call_command("backup", backup)

        kill(process)


@pytest.mark.usefixtures("_real_processes")
def test_a_killed_restore_can_be_run_again(
    version: ModelVersion, add_pictures: AddPictures, backup: Path, empty_machine: dict[str, str]
) -> None:
    add_pictures(version.recognizer, count=20)
    num_files = take_backup(backup).num_files
    manage("migrate", "-v0", **empty_machine)
    elsewhere = Path(empty_machine["DATA_DIR"])
    with closing(sqlite3.connect(elsewhere / "discern.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the rows come last and have to wait
        process = start("restore", backup, **empty_machine)
        wait_for(lambda: sum(each.is_file() for each in (elsewhere / "files").rglob("*")) == num_files)
        kill(process)

    assert f"{num_files} files" in manage("restore", backup, **empty_machine)


# --- refused
def test_a_flipped_bit_is_noticed_before_anything_is_written(version: ModelVersion, backup: Path) -> None:
    take_backup(backup)
    empty_the_installation()
    (h5,) = (backup / FILES).rglob("network.h5")
    data = bytearray(h5.read_bytes())
    data[len(data) // 2] ^= 1
    h5.write_bytes(data)

    with pytest.raises(NoBackup, match=r"network\.h5.*Nothing has been restored"):
        restore_backup(backup)

    assert not Recognizer.objects.exists()
    assert not settings.MEDIA_ROOT.exists()


@pytest.mark.parametrize("name", [ROWS, DESCRIPTION, SUMS])
def test_a_backup_without_one_of_its_files_is_refused(recognizer: Recognizer, backup: Path, name: str) -> None:
    take_backup(backup)
    empty_the_installation()
    (backup / name).unlink()

    with pytest.raises(NoBackup, match=name.replace(".", r"\.")):
        restore_backup(backup)


def test_a_list_of_hashes_that_is_too_short_is_refused(
    recognizer: Recognizer, add_pictures: AddPictures, backup: Path
) -> None:
    add_pictures(recognizer, count=2)
    take_backup(backup)
    empty_the_installation()
    lines = (backup / SUMS).read_text().splitlines(keepends=True)
    (backup / SUMS).write_text("".join(line for line in lines if line != lines[1]))

    with pytest.raises(NoBackup, match="is damaged"):
        restore_backup(backup)


def test_a_row_that_does_not_fit_leaves_the_database_empty(everything: Recognizer, backup: Path) -> None:
    take_backup(backup)
    empty_the_installation()
    whole = (backup / ROWS).read_text()
    (backup / ROWS).write_text(whole.replace('"state": "training"', '"state": "dreaming"'))
    sum_up(backup)

    with pytest.raises(NotRestorable, match=r"training\.TrainingRun.*constraint.*No row has been loaded"):
        restore_backup(backup)

    assert not User.objects.exists()
    (backup / ROWS).write_text(whole)
    sum_up(backup)
    restore_backup(backup)


def test_an_installation_in_use_is_never_written_over(version: ModelVersion, staff: User, backup: Path) -> None:
    take_backup(backup)

    with pytest.raises(CommandError, match=r"holds (?=.*1 recognizers).*1 users"):
        call_command("restore", backup)


def test_a_folder_that_is_no_backup_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nowhere is no backup.*manage\.py backup made"):
        call_command("restore", tmp_path / "nowhere")


def test_a_backup_of_a_newer_version_is_refused_with_both_named(recognizer: Recognizer, backup: Path) -> None:
    take_backup(backup)
    empty_the_installation()
    described = json.loads((backup / DESCRIPTION).read_text())
    described["discern"] = "9.0"
    described["migrations"]["training"].append("0099_of_tomorrow")
    (backup / DESCRIPTION).write_text(json.dumps(described))

    with pytest.raises(NotRestorable, match=r"Discern 9\.0.*Discern 0\..*training\.0099_of_tomorrow"):
        restore_backup(backup)


def test_a_format_of_tomorrow_is_refused(backup: Path) -> None:
    backup.mkdir()
    (backup / DESCRIPTION).write_text('{"format": 2, "discern": "9.0"}')

    with pytest.raises(NoBackup, match=r"format 2.*Discern 9\.0.*format 1"):
        restore_backup(backup)


def test_a_folder_with_something_in_it_is_left_alone(recognizer: Recognizer, backup: Path) -> None:
    backup.mkdir()
    (backup / "diary").write_text("dear")

    with pytest.raises(CommandError, match="not empty"):
        call_command("backup", backup)

    assert [path.name for path in backup.iterdir()] == ["diary"]


def test_an_empty_folder_is_taken(recognizer: Recognizer, backup: Path) -> None:
    backup.mkdir()

    take_backup(backup)

    assert is_whole(backup)


def test_a_folder_in_a_missing_one_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="missing does not exist"):
        call_command("backup", tmp_path / "missing" / "backup")


# --- what the site itself has lost
def test_a_damaged_version_is_kept_and_named(version: ModelVersion, backup: Path) -> None:
    version.files.h5.write_bytes(b"no more")

    with pytest.raises(CommandError, match=r"The backup is made, but 1 .*network\.h5"):
        call_command("backup", backup)

    assert is_whole(backup)


def test_a_lost_picture_is_named_and_the_rest_is_kept(
    recognizer: Recognizer, add_pictures: AddPictures, backup: Path
) -> None:
    lost, kept = add_pictures(recognizer, count=2)
    lost.path.unlink()

    made = take_backup(backup)

    assert made.unsound == [lost.file]
    assert (backup / FILES / kept.file).is_file()


# --- older backups
@pytest.mark.usefixtures("_real_processes")
def test_a_backup_from_before_the_latest_tables_is_migrated(
    version: ModelVersion, backup: Path, empty_machine: dict[str, str]
) -> None:
    take_backup(backup)
    make_it_older(backup)

    manage("restore", backup, **empty_machine)

    with closing(sqlite3.connect(Path(empty_machine["DATA_DIR"]) / "discern.sqlite3")) as database:
        (trouble,) = database.execute("SELECT trouble_sentence FROM training_modelversion").fetchone()
    assert trouble == "{}"


def test_a_backup_of_studies_comes_back_as_searches(searched: Recognizer, backup: Path, tmp_path: Path) -> None:
    take_backup(backup)
    of_today = (backup / ROWS).read_text()
    make_it_say_study(backup)
    empty_the_installation()

    restore_backup(backup)

    take_backup(tmp_path / "again")
    assert (tmp_path / "again" / ROWS).read_text() == of_today


@pytest.mark.usefixtures("_real_processes")
def test_a_backup_of_studies_comes_back_on_an_empty_machine(
    searched: Recognizer, backup: Path, tmp_path: Path, empty_machine: dict[str, str]
) -> None:
    take_backup(backup)
    of_today = (backup / ROWS).read_text()
    make_it_say_study(backup)

    manage("restore", backup, **empty_machine)

    manage("backup", tmp_path / "again", **empty_machine)
    assert (tmp_path / "again" / ROWS).read_text() == of_today


@pytest.fixture
def searched(recognizer: Recognizer, staff: User) -> Iterator[Recognizer]:
    """A recognizer with a search, which a run, a permission and the history of the admin name too."""
    search = recognizer.searches.create(config={"epochs": 3}, space={}, max_runs=2)
    recognizer.runs.create(config={"epochs": 3}, search=search, trial_number=0)
    staff.user_permissions.add(Permission.objects.get(codename="change_search"))
    LogEntry.objects.log_actions(staff.pk, [search], CHANGE, "cancelled", single_object=True)
    yield recognizer
    call_command("migrate", verbosity=0)  # where a restore broke off between the tables of then and today's


def make_it_say_study(backup: Path) -> None:
    """What the code before the fourth migration would have written."""
    described = json.loads((backup / DESCRIPTION).read_text())
    described["migrations"]["training"] = [each for each in described["migrations"]["training"] if each < "0004"]
    described["rows"]["training.Study"] = described["rows"].pop("training.Search")
    (backup / DESCRIPTION).write_text(json.dumps(described))
    text = (backup / ROWS).read_text()
    for word in ('"training.%s"', '"%s": ', '"training","%s"]', '"change_%s"'):
        assert word % "search" in text
        text = text.replace(word % "search", word % "study")
    text = text.replace('"changed_by": null,"changed_at": null,', "")  # of the tenth migration
    text = text.replace('"candidates": [],"watched": [],"imagenet_classes": {},', "")  # of the 11th and 12th
    (backup / ROWS).write_text(text)
    sum_up(backup)


OLD_NAMES = {"serving_model_sha256": "twin_sha256", "serving_model_difference": "twin_difference"}


def make_it_older(backup: Path) -> None:
    """What the code before the second migrations would have written."""
    described = json.loads((backup / DESCRIPTION).read_text())
    for app in ("training", "classifier"):
        described["migrations"][app] = ["0001_initial"]
    (backup / DESCRIPTION).write_text(json.dumps(described))
    first = [(app, "0001_initial") for app in ("training", "classifier")]
    known = MigrationLoader(None).project_state(first).models
    old = rows(backup)
    for row in old:
        if row["model"].startswith(("training.", "classifier.")):
            fields = known[*row["model"].split(".")].fields
            renamed = {OLD_NAMES.get(name, name): value for name, value in row["fields"].items()}
            row["fields"] = {name: value for name, value in renamed.items() if name in fields}
    (backup / ROWS).write_text("".join(json.dumps(row) + "\n" for row in old))
    sum_up(backup)
