"""The whole site with a part of it gone: what answers meanwhile, and how soon the rest goes on."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests
from django.db import connection

from tests.drawings import draw, encoded, zipped
from tests.faults.campaign import IS_FULL, record
from tests.faults.conftest import LONGER, SHORT, deliver
from tests.processes import wait_until
from tests.site import Site
from tests.types import PictureBytes
from training.models import ModelVersion, PictureImport, Recognizer, TrainingRun
from webapp.operations.embedded_redis import socket_path

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("_real_processes")]

State = TrainingRun.State


def is_ended(run: TrainingRun | PictureImport) -> bool:
    run.refresh_from_db()
    return run.has_ended


def is_training(run: TrainingRun) -> bool:
    """So far that the first epoch's checkpoint is kept: it comes a moment after the epoch's figures."""
    run.refresh_from_db()
    return run.epochs_done > 1


class Visitor:
    """Opens pages and sends forms, and keeps how long each answer took."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.session = requests.Session()
        self.seconds: dict[str, list[float]] = {}

    def get(self, path: str) -> requests.Response:
        return self._timed(path, lambda: self.session.get(self.site.url + path, timeout=30))

    def post(self, path: str, data: dict[str, object], **options: Any) -> requests.Response:
        """Send the form of a page that was opened before."""
        data = {**data, "csrfmiddlewaretoken": self.session.cookies["csrftoken"]}
        return self._timed(path, lambda: self.session.post(self.site.url + path, data, timeout=30, **options))

    def sign_in(self) -> None:
        self.get("/login/")
        self.post("/login/", {"username": self.site.username, "password": self.site.password})

    def _timed(self, path: str, ask: Callable[[], requests.Response]) -> requests.Response:
        began = time.monotonic()
        response = ask()
        self.seconds.setdefault(path, []).append(time.monotonic() - began)
        assert response.status_code == 200, f"{path}: {response.status_code}"
        return response

    def medians(self) -> str:
        return ", ".join(f"{path} {1000 * statistics.median(each):.0f} ms" for path, each in self.seconds.items())


def visit(site: Site, picture: bytes, *, signed_in: Visitor | None = None) -> Visitor:
    """Three times round the site, as somebody who signs in each time or has done so before."""
    visitor = Visitor(site)
    for _ in range(3):
        if signed_in:
            visitor.session.cookies = signed_in.session.cookies
        else:
            visitor.session.cookies.clear()
            visitor.sign_in()
        for path in ("/", "/manage/", "/manage/shapes/", "/r/shapes/"):
            visitor.get(path)
        answer = visitor.post("/r/shapes/", {}, files={"file": ("circle.png", picture)})
        assert "Circle" in answer.text
    return visitor


def sign_in_status(site: Site) -> int:
    """What the right password gets, while nobody may try any."""
    session = requests.Session()
    session.get(f"{site.url}/login/", timeout=30)
    form = {"username": site.username, "password": site.password, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    return session.post(f"{site.url}/login/", form, timeout=30).status_code


def ask_for_a_run(visitor: Visitor) -> TrainingRun:
    """As a browser sends the form that is filled in."""
    visitor.get("/manage/shapes/train/")
    settings = {
        name: ",".join(map(str, value)) if isinstance(value, tuple | list) and name != "augmentation" else value
        for name, value in replace(SHORT, epochs=2).to_dict().items()
    }
    visitor.post("/manage/shapes/train/", settings)
    return TrainingRun.objects.latest("pk")


def ask_for_an_import(visitor: Visitor) -> PictureImport:
    """As a browser sends a zip."""
    archive = zipped({"circle/new.png": encoded(draw("circle", 1000))})
    visitor.post("/manage/shapes/pictures/upload/", {}, files={"archive": ("more.zip", archive)})
    return PictureImport.objects.latest("pk")


def take_redis_away(site: Site, how: str) -> Callable[[], object]:
    """Returns: what brings it back."""
    if how == "frozen":
        site.kill("redis", signal.SIGSTOP)
        return lambda: site.kill("redis", signal.SIGCONT)
    folder = site.data_dir / "redis"
    folder.rename(site.data_dir / "redis-away")
    folder.touch()  # no folder that a server can write to: it ends whenever it is started
    site.kill("redis")
    socket_path(site.data_dir).unlink()

    def bring_back() -> None:
        folder.unlink()
        (site.data_dir / "redis-away").rename(folder)

    return bring_back


@pytest.mark.parametrize("how", ["frozen", "down"] if IS_FULL else ["down"])
def test_without_redis_everything_answers_and_what_is_asked_for_is_done(
    how: str, site: Site, shapes: Recognizer, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    usual = visit(site, picture_bytes())
    bring_back = take_redis_away(site, how)

    assert sign_in_status(site) == 503  # nothing could count wrong passwords
    without = visit(site, picture_bytes(), signed_in=usual)
    read, began = ask_for_an_import(without), time.monotonic()
    assert wait_until(lambda: is_ended(read), seconds=site.in_time(30))
    imported = time.monotonic() - began
    run, began = ask_for_a_run(without), time.monotonic()
    asked = without.seconds["/manage/shapes/train/"][-1]
    state = run.state
    assert "No worker is running" not in without.get(f"/manage/runs/{run.pk}/").text
    assert wait_until(lambda: is_started(run), seconds=site.in_time(30))
    started = time.monotonic() - began
    assert wait_until(lambda: is_ended(run), seconds=site.in_time(120))
    assert readiness(site)["redis"]["status"] == "degraded"
    bring_back()

    assert wait_until(lambda: sign_in_status(site) == 200, seconds=site.in_time(30))
    record(f"Redis {how} ({connection.vendor}): median answers with Redis", usual.medians())
    record(
        f"Redis {how} ({connection.vendor}): median answers without; an import has ended; a run asked for; it starts",
        f"{without.medians()}; {imported:.0f} s; “{state}” in {asked:.1f} s; {started:.0f} s",
    )
    assert (read.state, read.num_taken, run.state) == (PictureImport.State.DONE, 1, State.SUCCEEDED)
    assert (state, asked < site.in_time(5)) == (State.QUEUED, True)


def is_started(run: TrainingRun) -> bool:
    run.refresh_from_db()
    return run.state != State.QUEUED


def readiness(site: Site) -> dict[str, dict[str, str]]:
    """What the site says of everything it stands on."""
    checks: dict[str, dict[str, str]] = requests.get(f"{site.url}/readyz", timeout=10).json()["checks"]
    return checks


def test_a_lost_worker_hands_its_run_to_the_other(site: Site, start_run: Callable[..., TrainingRun]) -> None:
    run = start_run(LONGER)
    deliver(run, site)
    assert wait_until(lambda: is_training(run), seconds=site.in_time(120))
    owner = run.owner
    [worker] = site.pids("worker", owner.partition("@")[0] + "@")
    os.kill(site.keeper_of(worker), signal.SIGSTOP)  # nobody starts this one again
    os.kill(worker, signal.SIGKILL)
    began = time.monotonic()

    assert wait_until(lambda: _is_taken(run, owner), seconds=site.in_time(100))
    seconds = time.monotonic() - began
    assert wait_until(lambda: is_ended(run), seconds=site.in_time(120))
    record(
        f"a worker lost in the middle of a run ({connection.vendor}): the other one has it",
        f"after {seconds:.0f} s, from epoch {run.resumed_from} on",
    )
    assert (run.state, run.resumed_from > 0) == (State.SUCCEEDED, True)


def _is_taken(run: TrainingRun, owner: str) -> bool:
    run.refresh_from_db()
    return run.owner not in ("", owner)


def test_after_a_kill_of_everything_the_site_is_ready_again_and_its_run_goes_on(
    site: Site, start_run: Callable[..., TrainingRun], version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    run = start_run(LONGER)
    deliver(run, site)
    assert wait_until(lambda: is_training(run), seconds=site.in_time(120))

    site.kill_everything()
    began = time.monotonic()
    site.prepare()
    site.start(seconds=site.in_time(30))
    ready = time.monotonic() - began

    answer = Visitor(site)
    answer.get("/r/shapes/")
    assert "Circle" in answer.post("/r/shapes/", {}, files={"file": ("circle.png", picture_bytes())}).text
    assert wait_until(lambda: is_ended(run), seconds=site.in_time(150))
    seconds = time.monotonic() - began
    record(
        f"kill -9 of everything ({connection.vendor}): ready again; its run has ended",
        f"{ready:.1f} s; {run.state} from epoch {run.resumed_from} after {seconds:.0f} s, nothing by hand",
    )
    assert (run.state, ready < site.in_time(30)) == (State.SUCCEEDED, True)
