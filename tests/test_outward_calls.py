"""Nothing that runs here calls out: a whole way through the site, with every process watched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.drawings import draw, encoded, shapes_zip
from tests.outward import Watch
from tests.processes import wait_until
from tests.site import ROOT, Site, environment

SETTINGS = {"network": "cnn", "image_size": 24, "epochs": 2, "batch_size": 8, "filters": [8], "augmentation": []}
PROCESSES = ("web", "worker", "clock", "jobs")
COMMANDS = ("first_start", "import_pictures", "classify", "evaluate", "backup", "clean_up", "redis")
KEPT_AT_HOME = {".keras", ".keras/keras.json", ".gunicorn"}  # Keras's settings, a folder for gunicorn's control socket


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Watch:
    return Watch(tmp_path_factory.mktemp("watch"))


@pytest.fixture(scope="module")
def pids(watch: Watch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """The processes of a site that has been all the way: import, train, convert, publish, answer; then commands."""
    env = watch.environment(environment(tmp_path_factory.mktemp("site"), ""))
    env.pop("REDIS_URL", None)
    site = Site(env, under=watch.tracer)
    files = site.data_dir / "given"
    files.mkdir()
    (files / "shapes.zip").write_bytes(shapes_zip(12))
    shutil.unpack_archive(files / "shapes.zip", files)
    (files / "circle.png").write_bytes(encoded(draw("circle", 1000)))
    site.prepare("--no-starter")
    site.manage("import_pictures", "shapes", str(files / "shapes.zip"), "--create")
    try:
        site.start()
        pids = {role: site.pids(role) for role in PROCESSES}
        all_the_way(site, files)
        by_commands(site, files)
    finally:
        site.stop()
    return pids


def all_the_way(site: Site, files: Path) -> None:
    browser = requests.Session()
    browser.trust_env = False
    browser.get(f"{site.url}/login/", timeout=30)
    send(browser, f"{site.url}/login/", data={"username": site.username, "password": site.password})
    with (files / "shapes.zip").open("rb") as archive:
        send(browser, f"{site.url}/manage/shapes/pictures/upload/", files={"archive": archive})
    run = send(browser, f"{site.url}/api/v1/recognizers/shapes/runs", json={**SETTINGS, "publish_when_done": True})
    address = f"{site.url}/api/v1/runs/{run.json()['id']}"
    ended = wait_until(lambda: browser.get(address, timeout=30).json()["state"] in ("succeeded", "failed"), seconds=180)
    assert ended
    assert browser.get(address, timeout=30).json()["state"] == "succeeded", browser.get(address, timeout=30).text
    assert wait_until(lambda: browser.get(f"{site.url}/readyz", timeout=30).ok)  # a busy machine may be late once
    for page in ("/", "/r/shapes/", "/manage/", "/manage/shapes/versions/1/", "/api/v1/docs", "/metrics"):
        browser.get(f"{site.url}{page}", timeout=30).raise_for_status()
    with (files / "circle.png").open("rb") as picture:
        send(browser, f"{site.url}/api/v1/recognizers/shapes/classify", files={"file": picture})


def send(browser: requests.Session, url: str, **options: Any) -> requests.Response:
    token = browser.cookies["csrftoken"] or ""
    response = browser.post(url, headers={"X-CSRFToken": token}, timeout=60, **options)
    response.raise_for_status()
    return response


def by_commands(site: Site, files: Path) -> None:
    site.manage("classify", "shapes", str(files / "circle.png"))
    site.manage("evaluate", "shapes", str(files / "shapes"))
    site.manage("backup", str(files / "backup"))
    site.manage("clean_up")


def test_no_process_calls_out_on_the_whole_way(watch: Watch, pids: dict[str, list[int]]) -> None:
    assert watch.outward() == []


def test_every_process_and_command_was_watched(watch: Watch, pids: dict[str, list[int]]) -> None:
    started = watch.started()

    assert [role for role, found in pids.items() if not found or not set(found) <= started.keys()] == []
    commands = "\n".join(started.values())
    assert [name for name in COMMANDS if f"manage.py {name}" not in commands] == []
    assert "-m training run" in commands


def test_nothing_is_left_in_the_home_folder(watch: Watch, pids: dict[str, list[int]]) -> None:
    left = {str(path.relative_to(watch.home)) for path in watch.home.rglob("*")}

    assert left <= KEPT_AT_HOME


def test_what_calls_out_in_python_is_noticed(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    code = (
        "import contextlib, socket\n"
        "with contextlib.suppress(OSError): socket.getaddrinfo('analytics.invalid', 443)\n"
        "with contextlib.suppress(OSError): socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))\n"
    )

    subprocess.run([sys.executable, "-c", code], env=watch.environment(dict(os.environ)), check=True)

    said = "\n".join(watch.outward())
    assert "getaddrinfo analytics.invalid" in said
    assert "socket.connect ['192.0.2.1', 9]" in said


def test_what_calls_out_below_python_is_noticed(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    if not watch.tracer:
        pytest.skip("no strace, or it may not trace here (Debian: apt install strace)")

    subprocess.run([*watch.tracer, "getent", "hosts", "analytics.invalid"], check=False)

    assert wait_until(lambda: watch.outward())


@pytest.mark.parametrize(
    "way_in",
    ["training.artifacts.serving_model", "classifier.engine", "webapp.wsgi", "webapp.celery"],
)
def test_openvino_reports_nothing_whoever_imports_it(way_in: str, tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    code = (
        f"import django; django.setup(); import {way_in}, contextlib, openvino\n"
        "with contextlib.suppress(Exception): openvino.convert_model('none.onnx')  # a failure is reported as well\n"
    )
    env = watch.environment(environment(tmp_path / "data", "")) | {"DJANGO_SETTINGS_MODULE": "webapp.settings"}

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True)

    assert watch.outward() == []
    assert list(watch.home.iterdir()) == []
