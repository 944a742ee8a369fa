"""The first start makes the account and the recognizers to begin with, all or nothing, once."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from tests.conftest import ROOT
from tests.prebuilt import make_prebuilt
from tests.processes import wait_until
from tests.site import Site, environment, send
from training.models import Recognizer, TrainingRun
from training.runs import prebuilt
from webapp.management.commands import first_start

COUNT = """
from django.contrib.auth.models import User
from training.models import *
print(User.objects.count(), *Recognizer.objects.values_list("slug", flat=True), TrainingRun.objects.count())
"""


@pytest.fixture(autouse=True)
def _own_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prebuilt, "SHARE", tmp_path / "share")
    monkeypatch.setattr(first_start, "call_command", lambda *args, **kwargs: None)  # the tests' tables are there


def start(*options: str) -> str:
    said = io.StringIO()
    call_command("first_start", *options, stdout=said)
    return said.getvalue()


def slugs() -> list[str]:
    return list(Recognizer.objects.values_list("slug", flat=True))


@pytest.mark.django_db
def test_everyday_things_answers_and_the_digits_wait_for_a_worker(tiny_files: Path) -> None:
    make_prebuilt(tiny_files)

    said = start()

    assert [each.slug for each in Recognizer.objects.open_to_visitors()] == ["everyday"]
    assert list(TrainingRun.objects.queued().values_list("recognizer__slug", flat=True)) == ["digits"]
    assert "Everyday things answers photos as soon as the site is up." in said


@pytest.mark.django_db
def test_where_it_was_not_made_while_installing_both_wait_everyday_things_first() -> None:
    said = start()

    assert list(TrainingRun.objects.queued().order_by("pk").values_list("recognizer__slug", flat=True)) == [
        "everyday",
        "digits",
    ]
    assert "Everyday things is made in the background" in said


@pytest.mark.django_db
def test_what_was_deleted_does_not_come_back() -> None:
    start()
    for slug in ("everyday", "digits"):
        Recognizer.objects.filter(slug=slug).delete()
        assert start() == ""

    assert slugs() == []


@pytest.mark.django_db
def test_an_earlier_installation_is_left_alone(recognizer: Recognizer) -> None:
    start()  # it has no staff account any more, say

    assert slugs() == ["shapes"]
    assert User.objects.filter(is_staff=True).count() == 1


@pytest.mark.django_db
def test_both_are_left_out_on_request() -> None:
    start("--no-starter")

    assert slugs() == []
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_a_start_that_breaks_off_leaves_nothing_half_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("training.library.digits.add_digits", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            start()
    assert (User.objects.count(), slugs()) == (0, [])

    assert "First login: staff" in start()
    assert slugs() == ["digits", "everyday"]


def test_a_start_that_is_killed_again_and_again_comes_to_the_same(tmp_path: Path) -> None:
    """With a real process, killed while it makes its tables, its static files and the files of a version."""
    site = Site(environment(tmp_path / "site", "") | {"PYTHONDONTWRITEBYTECODE": "1"})
    command = [sys.executable, "manage.py", "first_start"]
    ended = []
    for sign in ("discern.sqlite3", "static", "files"):
        with subprocess.Popen(command, cwd=ROOT, env=site.env, stdout=subprocess.DEVNULL, start_new_session=True) as it:
            wait_until(lambda: it.poll() is not None or (site.data_dir / sign).exists(), seconds=60)  # noqa: B023
            send(it.pid, signal.SIGKILL)
        ended.append(it.returncode)

    site.prepare()

    assert ended[:2] == [-signal.SIGKILL, -signal.SIGKILL]  # the third is too quick where nothing was made before
    assert site.manage("shell", "-v", "0", "-c", COUNT).split() == ["1", "digits", "everyday", "2"]
