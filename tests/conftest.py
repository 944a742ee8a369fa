"""What most tests stand on: a recognizer of two shapes, its pictures, and one tiny network trained once a run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import settings as hypothesis_settings

from classifier.engine import engine
from tests import tiny
from tests.drawings import SHAPES, draw, encoded, zipped
from tests.once import made_once
from tests.types import AddPictures, MakeVersion, MakeZip, PictureBytes
from training.artifacts.files import sha256_of
from training.artifacts.version_files import H5_NAME, PREDICTIONS_NAME, SERVING_MODEL_NAMES
from training.data import decoders
from training.data.decoders import Decoder, Lane
from training.data.images import ingest
from training.library.intake import add_picture
from training.limits import MAX_DECODED_BYTES
from training.models import ModelVersion, Picture, Recognizer, TrainingRun

ROOT = Path(__file__).parent.parent

hypothesis_settings.register_profile("shared machine", deadline=None)
hypothesis_settings.load_profile("shared machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database-only",
        action="store_true",
        help="only tests that may touch a database: what a second one is tried with",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for mark in ("browser", "faults"):  # their parts look nowhere else
            if item.get_closest_marker(mark) and not item.path.is_relative_to(ROOT / "tests" / mark):
                raise pytest.UsageError(f"{item.nodeid} is marked {mark}, so it belongs below tests/{mark}")
    if not config.getoption("--database-only"):
        return
    touching = [item for item in items if _may_touch_the_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(touching)])
    items[:] = touching


def _may_touch_the_database(item: pytest.Item) -> bool:
    is_whole_site = item.get_closest_marker("browser") or item.get_closest_marker("faults")
    fixtures = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
    return bool(is_whole_site or fixtures or item.get_closest_marker("django_db"))


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """What may skip elsewhere fails in CI."""
    if os.environ.get("CI") and call.excinfo and call.excinfo.errisinstance(pytest.skip.Exception):
        call.excinfo = pytest.ExceptionInfo.from_exception(AssertionError(f"skipped in CI: {call.excinfo.value}"))


@pytest.fixture(autouse=True, scope="session")
def _static_files() -> None:
    made_once("static", lambda folder: call_command("collectstatic", "--no-input", verbosity=0))


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a store, a working folder and an engine of its own; nothing is sent to a broker."""
    settings.DATA_DIR = tmp_path / "data"
    settings.MEDIA_ROOT = tmp_path / "data" / "files"
    settings.MEDIA_ROOT.mkdir(parents=True)
    engine.close_all()
    monkeypatch.setattr("celery.app.base.Celery.send_task", lambda *args, **kwargs: None)


@pytest.fixture(scope="session")
def tiny_files() -> Path:
    """A folder with the H5, the serving model and the facts of one network, trained in a process of its own."""

    def train(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "tests.tiny", str(folder)], cwd=ROOT, check=True, capture_output=True)

    return made_once("tiny", train)


@pytest.fixture
def recognizer(db: None) -> Recognizer:
    recognizer = Recognizer.objects.create(
        slug="shapes", name_en="Shapes", name_zh="形状", description_en="Circles and squares", description_zh="圆和方"
    )
    recognizer.labels.create(key="circle", name_en="Circle", name_zh="圆")
    recognizer.labels.create(key="square", name_en="Square", name_zh="方")
    return recognizer


@pytest.fixture
def add_pictures() -> AddPictures:
    def add(recognizer: Recognizer, *, label: str = "circle", count: int = 1) -> list[Picture]:
        first = recognizer.pictures.count()
        return [
            add_picture(recognizer, label, f"{label}-{number}.png", ingest(encoded(draw(label, number))), None)
            for number in range(first, first + count)
        ]

    return add


@pytest.fixture
def make_version(tiny_files: Path) -> MakeVersion:
    """Makes further versions of a recognizer, with files of their own, not published."""

    def make(recognizer: Recognizer) -> ModelVersion:
        facts = json.loads((tiny_files / "facts.json").read_text())
        run = recognizer.runs.create(
            config=tiny.CONFIG.to_dict(), state=TrainingRun.State.SUCCEEDED, lease=1, ended_at=timezone.now()
        )
        folder = f"versions/{recognizer.pk}/{run.pk}-1"
        (settings.MEDIA_ROOT / folder).mkdir(parents=True)
        for name in (H5_NAME, *SERVING_MODEL_NAMES, PREDICTIONS_NAME):
            shutil.copy(tiny_files / name, settings.MEDIA_ROOT / folder / name)
        return recognizer.versions.create(
            number=recognizer.versions.count() + 1,
            run=run,
            folder=folder,
            h5_sha256=facts["h5_sha256"],
            h5_bytes=(tiny_files / H5_NAME).stat().st_size,
            serving_model_sha256=facts["serving_model_sha256"],
            serving_model_difference=facts["serving_model_difference"],
            class_names=facts["class_names"],
            image_size=tiny.CONFIG.image_size,
            num_weights=facts["num_weights"],
            test_accuracy=facts["evaluation"]["accuracy"],
            evaluation=facts["evaluation"],
            temperature=facts["temperature"],
            predictions_sha256=sha256_of(tiny_files / PREDICTIONS_NAME),
        )

    return make


@pytest.fixture
def version(recognizer: Recognizer, make_version: MakeVersion) -> ModelVersion:
    """The recognizer's published version."""
    version = make_version(recognizer)
    version.publish(None)
    return version


@pytest.fixture
def picture_bytes() -> PictureBytes:
    def make(shape: str = SHAPES[0], number: int = 999, *, side: int = 40, format: str = "PNG") -> bytes:
        return encoded(draw(shape, number, side=side), format)

    return make


@pytest.fixture
def make_zip() -> MakeZip:
    return zipped


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Decoder]:
    """The one process that decodes strangers' pictures in this test, until it is killed."""
    lane = Lane(1, MAX_DECODED_BYTES)
    monkeypatch.setattr(decoders, "lanes", (lane,))
    lane.prepare()
    lane.idle[0].await_start()
    yield lane.idle[0]
    lane.close()


@pytest.fixture
def _real_processes(transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that the test starts see its rows and its files."""
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database['NAME']}").geturl()
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("DATA_DIR", str(settings.DATA_DIR))


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_user("staff", password="a long password", is_staff=True)


@pytest.fixture
def staff_client(client: Client, staff: User) -> Client:
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    return client
