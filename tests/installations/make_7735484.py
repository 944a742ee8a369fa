"""An installation as release 7735484 left it: `python make_installation.py TARGET [ARCHIVE]`.

Run it with that release's code as the working directory. Everything is made by that code itself: its commands, its
pages and its API through Django's test client, its trainer in processes of their own. No worker and no Redis is wanted:
what a worker would do is called here. Newer code is then tested against what lies in TARGET:

data/          a DATA_DIR: discern.sqlite3, secret_key, files/
backup/        what `manage.py backup` made of it
pictures/      a few pictures as PNG
expected.json  what this release answered to them, and what the rows said

ARCHIVE is all of that as a .tar.xz. It takes a few minutes, the digits most of them.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

REVISION = "7735484"
OLD_HOST, WORKER, JOBS = "old-host", "train@old-host", "jobs@old-host"
PASSWORD = "a long password"  # of staff  # noqa: S105
SECRET_KEY = "the key of a test's installation, which signs nothing that anybody relies on"  # noqa: S105
OLD_ROOT = "/srv/discern/var/files/pictures"  # of a manifest; whoever reads one goes by a folder of its own
KEPT_IN_DATA = ("discern.sqlite3", "secret_key", "files")
PICTURES_A_CLASS, NUM_EXPECTED = 40, 5

HERE, HOST = Path.cwd(), socket.gethostname()
TARGET = Path(sys.argv[1]).resolve()
ARCHIVE = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
DATA = TARGET / "data"


def begin() -> None:
    """This release's Django over an empty DATA_DIR, on a machine that is called old-host and has no internet."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    if not found.startswith(REVISION):
        sys.exit(f"This must run in a checkout of {REVISION}, but {HERE} is at {found.strip()}.")
    if TARGET.exists():
        sys.exit(f"{TARGET} is there already.")
    DATA.mkdir(parents=True)
    (DATA / "secret_key").write_text(SECRET_KEY)
    for name in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "ENGINE", "SECRET_KEY", "TIME_ZONE"):
        os.environ.pop(name, None)
    os.environ |= {"DATA_DIR": str(DATA), "DJANGO_SETTINGS_MODULE": "webapp.settings", "PYTHONDONTWRITEBYTECODE": "1"}
    os.environ |= dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
    os.environ |= {"KERAS_HOME": "/tmp/no-keras", "TF_CPP_MIN_LOG_LEVEL": "2"}  # noqa: S108  no weights there
    sys.path.insert(0, str(HERE))
    socket.gethostname = lambda: OLD_HOST

    import celery.app.base
    import django

    celery.app.base.Celery.send_task = lambda *_args, **_options: None  # nobody hears a nudge
    django.setup()


def say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


# --- what it is made of
def main() -> None:
    from django.core.management import call_command

    call_command("first_start")
    site = Site()
    shapes_with_pictures(site)
    versions_one_and_two(site)
    finished_study(site)
    failed_run(site)
    jobs_that_are_done(site)
    unfinished_study(site)
    what_waits(site)
    stuck_import(site)
    troubles(site)
    site.browser.logout()  # and with it the session's row
    call_command("clean_up")  # as the clock does every hour
    without_this_machines_paths()
    expected = everything_expected(site)
    call_command("backup", TARGET / "backup")
    close_database()
    remove_what_each_start_makes()
    (TARGET / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    check_that_nothing_tells_where_it_was_made()
    if ARCHIVE:
        pack(ARCHIVE)


class Site:
    """The pages and the API, as a member of staff uses them."""

    def __init__(self) -> None:
        from django.contrib.auth.models import User
        from django.test import Client

        from training.models import ModelVersion

        assert ModelVersion.objects.filter(recognizer__slug="digits", is_active=True).exists()
        self.staff = User.objects.get(username="staff")
        self.staff.set_password(PASSWORD)
        self.staff.save()
        self.browser = Client(SERVER_NAME="localhost")
        self.browser.force_login(self.staff, backend="django.contrib.auth.backends.ModelBackend")
        self.ids: dict[str, dict[str, int]] = {"runs": {}, "studies": {}, "imports": {}, "jobs": {}}

    def send(self, path: str, **form: Any) -> None:
        """A form; what it is answered with leads on to another page."""
        response = self.browser.post(path, form)
        went_on = response.status_code == 302 and not response.url.startswith("/login/")
        assert went_on, (path, response.status_code, response.content[-2000:])

    def ask(self, path: str, **asked: Any) -> dict[str, Any]:
        """The API."""
        response = self.browser.post(f"/api/v1/{path}", json.dumps(asked), content_type="application/json")
        assert response.status_code == 201, (path, response.status_code, response.content)
        return dict(response.json())

    def upload(self, slug: str, name: str, data: bytes) -> Any:
        from training.models import PictureImport

        self.send(f"/manage/{slug}/pictures/upload/", archive=named_file(name, data))
        return PictureImport.objects.latest("pk")

    def classify(self, slug: str, picture: bytes, *, by_page: bool) -> None:
        path = f"/r/{slug}/" if by_page else f"/api/v1/recognizers/{slug}/classify"
        response = self.browser.post(path, {"file": named_file("picture.png", picture)})
        assert response.status_code == 200, (path, response.content[-2000:])

    def queue(self, **asked: Any) -> Any:
        """A run of shapes that waits."""
        from training.models import TrainingRun

        return TrainingRun.objects.get(pk=self.ask("recognizers/shapes/runs", **asked)["id"])


def named_file(name: str, data: bytes) -> io.BytesIO:
    file = io.BytesIO(data)
    file.name = name
    return file


def drawing(shape: str, number: int) -> bytes:
    from tests.drawings import draw, encoded

    return encoded(draw(shape, number))


def shapes_with_pictures(site: Site) -> None:
    """A zip with files that are refused and a groups.csv, read as a worker reads it."""
    from tests.drawings import SHAPES, zipped
    from training import imports
    from training.models import Label, Recognizer

    site.send(
        "/manage/new/",
        slug="shapes",
        name_en="Shapes",
        name_zh="形状",
        description_en="Circles and squares.",
        description_zh="圆和方。",
        is_public="on",
        is_mirror_safe="true",
    )
    groups = ["file,group,class"]
    groups += [f"{number}.png,ring,circle" for number in range(3)] + [f"{number}.png,tile,square" for number in (3, 4)]
    members = {f"shapes/{shape}/{n}.png": drawing(shape, n) for shape in SHAPES for n in range(PICTURES_A_CLASS)}
    members |= {
        "shapes/circle/broken.png": drawing("circle", 500)[:90],
        "shapes/circle/notes.txt": b"These circles were drawn on a Tuesday.\n",
        "shapes/square/the-same-again.png": drawing("square", 0),
        "shapes/groups.csv": "\n".join([*groups, "missing.png,tile,square", ""]).encode(),
        "shapes/Thumbs.db": b"junk",
    }
    site.ids["imports"]["done"] = site.upload("shapes", "shapes.zip", zipped(members)).pk
    imports.carry_out(site.ids["imports"]["done"])
    shapes = Recognizer.objects.get(slug="shapes")
    assert shapes.pictures.count() == 2 * PICTURES_A_CLASS
    for key, english, chinese in (("circle", "Circle", "圆"), ("square", "Square", "方")):
        label = Label.objects.get(recognizer=shapes, key=key)
        site.send(f"/manage/shapes/labels/{label.pk}/", name_en=english, name_zh=chinese)


TINY = {"network": "cnn", "image_size": 24, "filters": [8, 16], "batch_size": 8, "learning_rate": 5e-3}


def versions_one_and_two(site: Site) -> None:
    train(site.queue(**TINY, epochs=8, augmentation=["zoom"]))
    site.send("/manage/shapes/versions/1/publish/", reason="The first one")
    for number in range(900, 903):
        site.classify("shapes", drawing("circle", number), by_page=True)
    train(site.queue(**TINY, epochs=8, augmentation=["zoom", "flip", "contrast", "colour", "blur"], seed=2))
    site.send("/manage/shapes/versions/2/publish/", reason="It has seen blurred pictures too 更好")
    for number in range(903, 906):
        site.classify("shapes", drawing("square", number), by_page=number % 2 == 0)
    for _name, _label, data in digits_for_testing():
        site.classify("digits", data, by_page=False)


def train(run: Any) -> None:
    """Carry out a run, as a worker does."""
    from training.process import carry_out

    assert carry_out(run, owner=WORKER)
    run.refresh_from_db()
    say(f"run {run.pk}: {run.state} {run.error}")
    assert run.state == "succeeded", run.log


def finished_study(site: Site) -> None:
    """Three trials over two settings, and version 3 of the best of them, which is not published."""
    from training.models import Recognizer, Study, TrainingRun

    base = {"image_size": 16, "hidden_units": [16], "epochs": 2, "batch_size": 8, "augmentation": []}
    space = {"learning_rate": "0.001 .. 0.03", "dropout": "0 .. 0.5"}
    asked = site.ask("recognizers/shapes/studies", network="mlp", settings=base, space=space, max_runs=3)
    study = Study.objects.get(pk=asked["id"])
    while not study.has_ended:
        study.move_on()
        study.refresh_from_db()
        for run in TrainingRun.objects.queued():
            train(run)
    assert study.state == "done", study.error
    assert study.final_run.version.number == 3
    assert study.trials.count() == 3
    assert Recognizer.objects.get(slug="shapes").active_version.number == 2
    site.ids["studies"]["done"] = study.pk


def unfinished_study(site: Site) -> None:
    """One trial is done, the next one waits."""
    from training.models import Study

    settings = {name: value for name, value in TINY.items() if name not in ("network", "batch_size")}
    settings |= {"epochs": 2, "augmentation": []}
    space = {"optimizer": "adam | nesterov", "batch_size": "8 | 16"}
    asked = site.ask("recognizers/shapes/studies", network="cnn", settings=settings, space=space, max_runs=4)
    study = Study.objects.get(pk=asked["id"])
    train(study.trials.queued().get())
    study.move_on()
    study.refresh_from_db()
    assert study.state == "searching"
    site.ids["studies"]["searching"] = study.pk
    site.ids["runs"]["trial_that_waits"] = study.trials.queued().get().pk


def failed_run(site: Site) -> None:
    """Its trainer is killed three times, each time a few epochs further on; two checkpoints are left."""
    from training import process

    begin, killed = process._begin, []
    usual = process.POLL_SECONDS

    def begin_and_keep(*arguments: Any) -> Any:
        killed.append(begin(*arguments))
        return killed[-1]

    def kill(run: Any) -> None:
        latest = run.checkpoints.first()
        if latest and latest.epoch >= 3 * len(killed) and killed[-1].poll() is None:
            os.killpg(killed[-1].pid, signal.SIGKILL)

    run = site.queue(**TINY, epochs=30, augmentation=["zoom", "flip"], seed=3)
    process._begin, process.POLL_SECONDS = begin_and_keep, 0.02
    while not run.has_ended:
        assert process.carry_out(run, kill, owner=WORKER)
        run.refresh_from_db()
    process._begin, process.POLL_SECONDS = begin, usual
    say(f"run {run.pk}: {run.state} after {run.epochs_done} of 30 epochs: {run.error}")
    assert run.can_go_on
    assert run.attempts == 3
    site.ids["runs"]["failed_with_checkpoints"] = run.pk


def jobs_that_are_done(site: Site) -> None:
    from training.config import TrainingConfig
    from training.models import Job, Recognizer
    from training.process import carry_out
    from webapp.rehearsals import rehearse

    shapes = Recognizer.objects.get(slug="shapes")
    site.send("/manage/shapes/review/start/")
    site.send("/manage/shapes/versions/2/inside/", file=named_file("circle.png", drawing("circle", 910)))
    rehearse(shapes, TrainingConfig.for_network(**parted(TINY)), 2 * PICTURES_A_CLASS, site.staff)
    for job in Job.objects.order_by("pk"):
        assert carry_out(job, owner=JOBS)
        say(f"job {job.pk}: {job.kind} {job.state} {job.error}")
        assert job.state == "done", job.log
        site.ids["jobs"][f"done_{job.kind}"] = job.pk
    mlp = TrainingConfig.for_network("mlp", {"image_size": 16, "hidden_units": (16,)})
    site.ids["jobs"]["queued_rehearsal"] = rehearse(shapes, mlp, 2 * PICTURES_A_CLASS, site.staff).pk
    assert Job.objects.count() == 4


def parted(settings: dict[str, Any]) -> dict[str, Any]:
    return {"network": settings["network"], "settings": {k: v for k, v in settings.items() if k != "network"}}


def what_waits(site: Site) -> None:
    """Runs that nobody has begun, and a zip that nobody has read."""
    from tests.drawings import SHAPES, zipped

    runs = site.ids["runs"]
    runs["waits"] = site.queue(**TINY, epochs=3, augmentation=["zoom", "rotation"], publish_when_done=True).pk
    runs["waits_with_open_network"] = site.queue(preset="balanced").pk
    runs["waits_for_gpu"] = site.queue(preset="quick", network="mobilenetv2", needs_gpu=True).pk
    members = {f"{shape}/{n}.png": drawing(shape, n) for shape in SHAPES for n in range(100, 105)}
    site.ids["imports"]["waits"] = site.upload("shapes", "more-shapes.zip", zipped(members)).pk


def stuck_import(site: Site) -> None:
    """Its worker is killed after the fourth of its ten pictures."""
    from tests.drawings import SHAPES, zipped
    from training.models import PictureImport

    members = {f"{shape}/{n}.png": drawing(shape, n) for shape in SHAPES for n in range(200, 205)}
    row = site.upload("shapes", "late-shapes.zip", zipped(members))
    killed = subprocess.run([sys.executable, "-c", KILLED_READER, str(row.pk)], check=False)
    assert killed.returncode == -signal.SIGKILL
    row.refresh_from_db()
    assert row.state == "reading", row.state
    PictureImport.objects.filter(pk=row.pk).update(heartbeat=row.heartbeat - timedelta(hours=1))
    site.ids["imports"]["stuck_in_reading"] = row.pk


KILLED_READER = """
import os, signal, sys
import django
django.setup()
from training import imports
add_pictures = imports.add_pictures
def some(*arguments):
    for number, line in enumerate(add_pictures(*arguments), start=1):
        yield line
        if number == 4:
            os.kill(os.getpid(), signal.SIGKILL)
imports.add_pictures = some
imports.carry_out(int(sys.argv[1]))
"""


def troubles(site: Site) -> None:
    """Version 3 could not be published and version 2 not be opened, both for a file that is back by now; a worker."""
    from django.utils import timezone

    from classifier.engine import engine
    from training.hardware import this_machine
    from training.models import ModelVersion
    from training.workers import report

    versions = {each.number: each for each in ModelVersion.objects.filter(recognizer__slug="shapes")}
    with missing(versions[3].twin_paths[1]):
        site.send("/manage/shapes/versions/3/publish/", reason="Found by the search")
    with missing(versions[2].twin_paths[1]):
        engine.close_all()
        site.classify("shapes", drawing("circle", 906), by_page=True)
    engine.close_all()
    report(WORKER, this_machine(), timezone.now())


@contextmanager
def missing(file: Path) -> Iterator[None]:
    aside = TARGET / file.name
    file.rename(aside)
    yield
    aside.rename(file)


# --- what this release says of it
def digits_for_testing() -> list[tuple[str, str, bytes]]:
    """Name, label and PNG of a few that the digits' version did not learn from."""
    from training.models import Picture
    from training.starter import digit_pictures

    side = dict(Picture.objects.filter(recognizer__slug="digits").values_list("original_name", "split"))
    return [each for each in digit_pictures() if side[each[0]] == "test"][:: 268 // NUM_EXPECTED][:NUM_EXPECTED]


def everything_expected(site: Site) -> dict[str, Any]:
    from django.apps import apps

    from training import storage
    from training.artifact import load_network
    from training.models import Job, ModelVersion, PictureImport, Recognizer, Study, TrainingRun

    (TARGET / "pictures").mkdir()
    pictures: dict[str, list[tuple[str, str]]] = {"digits": [], "shapes": []}
    for number, (_name, label, data) in enumerate(digits_for_testing()):
        pictures["digits"].append((f"digits-{number}.png", label))
        (TARGET / "pictures" / f"digits-{number}.png").write_bytes(data)
    for number in range(NUM_EXPECTED):
        shape = ("circle", "square")[number % 2]
        pictures["shapes"].append((f"shapes-{number}.png", shape))
        (TARGET / "pictures" / f"shapes-{number}.png").write_bytes(drawing(shape, 950 + number))

    versions = []
    for version in ModelVersion.objects.select_related("recognizer").order_by("pk"):
        slug = version.recognizer.slug
        network, keras_network = version.open_twin(), load_network(version.h5_path)
        fields = ("pk", "number", "run_id", "is_active", "folder", "h5_sha256", "h5_bytes", "twin_sha256")
        fields += ("answers_sha256", "class_names", "image_size", "num_weights", "test_accuracy", "temperature")
        versions.append(
            {"recognizer": slug}
            | {name: getattr(version, name) for name in fields}
            | {"trouble": version.trouble, "num_predictions": version.predictions.count()}
            | {"answers": [answers(version, network, keras_network, *each) for each in pictures[slug]]}
        )
    return {
        "revision": REVISION,
        "staff": {"username": site.staff.username, "password": PASSWORD},
        "ids": site.ids,
        "versions": versions,
        "active_version": {each.slug: each.active_version.number for each in Recognizer.objects.all()},
        "version_before": {"shapes": Recognizer.objects.get(slug="shapes").version_before.number},
        "activations": [
            {"version": each.version.number, "kind": each.kind, "reason": each.reason}
            for each in Recognizer.objects.get(slug="shapes").activations.order_by("pk")
        ],
        "pictures": {each.slug: each.pictures.count() for each in Recognizer.objects.all()},
        "runs": [
            {name: getattr(run, name) for name in ("pk", "state", "epochs_done", "num_epochs", "attempts", "lease")}
            | {"recognizer": run.recognizer.slug, "network": run.config["network"], "study": run.study_id}
            | {"trial_number": run.trial_number, "value": run.value, "owner": run.owner, "error": run.error}
            | {"preset": run.preset, "is_network_open": run.is_network_open, "needs_gpu": run.needs_gpu}
            | {"checkpoints": [(each.epoch, each.step) for each in run.checkpoints.all()]}
            for run in TrainingRun.objects.order_by("pk")
        ],
        "studies": [
            {"pk": each.pk, "state": each.state, "best_run": each.best_run_id, "final_run": each.final_run_id}
            for each in Study.objects.order_by("pk")
        ],
        "imports": [
            {name: getattr(each, name) for name in ("pk", "name", "state", "archive", "num_taken", "num_refused")}
            | {"refused": [line["name"] for line in each.report if not line["is_taken"]]}
            for each in PictureImport.objects.order_by("pk")
        ],
        "jobs": [{"pk": each.pk, "kind": each.kind, "state": each.state} for each in Job.objects.order_by("pk")],
        "rows": {
            model._meta.label: model._base_manager.count()
            for model in sorted(apps.get_models(), key=lambda each: each._meta.label)
            if model._meta.managed
        },
        "num_files": sum(1 for each in storage.walk(DATA / "files")),
    }


def answers(version: Any, network: Callable[..., Any], keras_network: Any, name: str, label: str) -> dict[str, Any]:
    """What the twin gives for a picture, raw and calibrated, and what the H5 gives; in the order of `class_names`."""
    import numpy as np

    from training.images import load_pixels

    pixels = load_pixels(TARGET / "pictures" / name, version.image_size)[np.newaxis].astype(np.float32)
    raw = network(pixels)
    h5 = np.asarray(keras_network(pixels, training=False))[0]
    figures = {"raw": raw, "calibrated": version.calibrated(raw), "h5": h5}
    lists = {kind: [float(each) for each in probabilities] for kind, probabilities in figures.items()}
    return {"file": f"pictures/{name}", "label": label} | lists


# --- the end
def without_this_machines_paths() -> None:
    """A manifest names the folder it was made over; nothing reads that, and its hash leaves it out."""
    for path in DATA.glob("files/checkpoints/*/manifest.json"):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(manifest | {"root": OLD_ROOT}, ensure_ascii=False), encoding="utf-8")


def close_database() -> None:
    """One clean file, as the last process leaves it that ends."""
    from django.db import connection

    connection.close()
    database = sqlite3.connect(DATA / "discern.sqlite3", isolation_level=None)
    for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        database.execute(statement).fetchall()
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


def remove_what_each_start_makes() -> None:
    """Static files, caches, working folders."""
    for each in DATA.iterdir():
        if each.name not in KEPT_IN_DATA:
            shutil.rmtree(each)
    for folder in sorted((each for each in (DATA / "files").rglob("*") if each.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    assert sorted(each.name for each in DATA.iterdir()) == sorted(KEPT_IN_DATA)


def check_that_nothing_tells_where_it_was_made() -> None:
    """No path of this machine in any file, and its name in no row."""
    paths = {str(HERE), str(HERE.parent) + "/", str(TARGET), str(Path.home()) + "/", sys.prefix}
    for file in sorted(each for each in TARGET.rglob("*") if each.is_file()):
        told = [path for path in paths if path.encode() in file.read_bytes()]
        assert not told, f"{file} holds {told}"
    database = sqlite3.connect(DATA / "discern.sqlite3")
    holding = re.compile(rf"\b{re.escape(HOST)}\b")
    told = [line for line in database.iterdump() if holding.search(line)]
    assert not told, f"the database holds {HOST}: {told}"
    database.close()


def pack(archive: Path) -> None:
    """The same names, modes and bytes give the same archive."""
    moment = int(subprocess.run(["git", "log", "-1", "--format=%ct"], capture_output=True, check=True).stdout)

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime, member.mode = moment, 0o755 if member.isdir() else 0o644
        return member

    with (
        lzma.open(archive, "wb", preset=9 | lzma.PRESET_EXTREME) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in sorted(TARGET.rglob("*")):
            tar.add(path, path.relative_to(TARGET), recursive=False, filter=plain)
    say(f"{archive}: {archive.stat().st_size:,} bytes")


if __name__ == "__main__":
    begin()
    main()
