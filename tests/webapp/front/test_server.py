"""The web process itself: what it answers to bodies that it did not receive, and how it is started."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from tests.processes import wait_until
from tests.site import ROOT, environment, free_port

COMMANDS = {
    "now": [sys.executable, "-m", "webapp.server"],
    "as before": [sys.executable, "-m", "gunicorn", "-c", "python:webapp.server", "webapp.wsgi"],
}


class Web:
    """The web process alone, over a database with tables and nothing in them."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.port = int(env["PORT"])
        self.data_dir = Path(env["DATA_DIR"])
        self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def asked(self, path: str, *, length: int, **headers: str) -> tuple[HTTPResponse, bytes]:
        """The answer to a POST that announces a body and sends none of it."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest("POST", path)
        for name, value in {"Content-Length": str(length), **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    env = environment(tmp_path_factory.mktemp("web"), "")
    for arguments in (["migrate", "--verbosity=0"], ["collectstatic", "--no-input", "--verbosity=0"]):
        subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, check=True)
    return env


def started(command: list[str], env: dict[str, str]) -> Iterator[Web]:
    web = Web(command, env)
    try:
        assert wait_until(web.answers, seconds=60)
        yield web
    finally:
        web.process.kill()
        web.process.communicate()


@pytest.fixture(scope="module")
def web(migrated: dict[str, str]) -> Iterator[Web]:
    yield from started(COMMANDS["now"], migrated)


@pytest.mark.parametrize("path", ["/", "/login/", "/language/setlang/", "/unknown/", "/manage/"])
def test_a_body_of_ten_gigabytes_is_refused_before_it_comes(web: Web, path: str) -> None:
    response, body = web.asked(path, length=10**10, Accept_Language="zh-hans")

    assert response.status == 413
    assert "1.0 MB" in body.decode()
    assert "请" in body.decode()
    assert list((web.data_dir / "tmp").iterdir()) == []


def test_the_api_refuses_in_json(web: Web) -> None:
    response, body = web.asked("/api/v1/unknown", length=10**10)

    assert response.status == 413
    assert "1.0 MB" in json.loads(body)["detail"]


def test_a_zip_is_received_from_staff_alone(web: Web) -> None:
    response, body = web.asked("/manage/digits/pictures/upload/", length=10**9, Accept="application/json")

    assert response.status == 403
    assert "staff" in json.loads(body)["errors"][0]


def test_a_taken_port_is_a_sentence(web: Web, migrated: dict[str, str]) -> None:
    second = subprocess.run(COMMANDS["now"], cwd=ROOT, env=migrated, capture_output=True, text=True, timeout=60)

    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{web.port}" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_it_serves_and_ends_when_asked(command: list[str], migrated: dict[str, str]) -> None:
    for web in started(command, {**migrated, "PORT": str(free_port())}):
        assert b"-m\0webapp.server" in Path(f"/proc/{web.process.pid}/cmdline").read_bytes()
        web.process.send_signal(signal.SIGTERM)
        assert web.process.wait(20) == 0
