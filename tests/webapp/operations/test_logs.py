"""Log lines as a real process writes them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.processes import wait_until
from tests.site import free_port

ROOT = Path(__file__).parents[3]
LOGS = """
import django, logging, threading, warnings
django.setup()
logging.getLogger("training").warning("Run %d\\nfailed", 7, extra={"run": 7})
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("django.request").exception("Server error")
for name in ("waitress", "celery.task", "celery.worker", "django.server"):
    logging.getLogger(name).error("from %s", name)
warnings.warn("soon gone")
thread = threading.Thread(target=lambda: [][0]); thread.start(); thread.join()
{}["nothing"]
"""


# What a stranger might send, said by every logger and in an error: none may begin a line or turn the text around.
FORGED = """
import django, logging
django.setup()
forged = "/\\nERROR webapp: forged\\r\\x1b[2J\\x9b1m\\u2028\\u202e\\u2066\\x00"
for name in ("webapp.middleware", "gunicorn.error", "waitress", "celery.task", "celery.worker", "multiprocessing"):
    logging.getLogger(name).error("Turned away %s", forged)
logging.getLogger("django.server").error(forged)
try:
    raise ValueError(forged)
except ValueError:
    logging.getLogger("training").exception("It broke")
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DISCERN_TESTS")}
    return kept | {
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
        "LOG_FORMAT": "json",
        "TIME_ZONE": "Asia/Shanghai",
    }


@pytest.fixture(scope="module")
def found(environment: dict[str, str]) -> list[dict[str, Any]]:
    return lines(logged(environment))


def logged(environment: dict[str, str], code: str = LOGS) -> str:
    """What a process writes that says one thing in every way."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.stderr


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_is_one_object(found: list[dict[str, Any]]) -> None:
    assert {line["logger"] for line in found} >= {
        *("training", "django.request", "waitress", "celery.task", "celery.worker", "django.server"),
        *("py.warnings", "webapp.operations.logs"),
    }
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in found)


def test_a_line_says_when_in_utc_and_carries_what_it_was_given(found: list[dict[str, Any]]) -> None:
    line = found[0]

    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)
    assert (line["level"], line["message"], line["run"]) == ("WARNING", "Run 7\\nfailed", 7)


def test_an_exception_is_one_string(found: list[dict[str, Any]]) -> None:
    line = next(each for each in found if each["logger"] == "django.request")

    assert "ZeroDivisionError: division by zero" in line["exception"]


def test_errors_that_nobody_caught_are_lines_too(found: list[dict[str, Any]]) -> None:
    uncaught = [each["message"] for each in found if each["logger"] == "webapp.operations.logs"]

    assert len(uncaught) == 2
    assert "IndexError" in uncaught[0]
    assert "KeyError" in uncaught[1]


def test_in_debug_no_line_is_written_twice(environment: dict[str, str]) -> None:
    found = lines(logged({**environment, "DEBUG": "true"}))

    assert [each["logger"] for each in found].count("django.request") == 1


def test_plain_lines_are_for_people(environment: dict[str, str]) -> None:
    assert logged({**environment, "LOG_FORMAT": "plain"}).startswith("WARNING training: Run 7\\nfailed\n")


@pytest.mark.parametrize("log_format", ["plain", "json"])
def test_nobody_forges_a_line_whoever_logs_it(environment: dict[str, str], log_format: str) -> None:
    found = logged({**environment, "LOG_FORMAT": log_format}, FORGED).split("\n")

    assert len([line for line in found if "Turned away" in line]) == 6
    assert not any(line.startswith(("ERROR webapp: forged", "forged")) for line in found)
    assert all(line.isprintable() for line in found)
    assert all("\\u202e" in line for line in found if "Turned away" in line)


def test_a_plain_traceback_is_indented(environment: dict[str, str]) -> None:
    found = logged({**environment, "LOG_FORMAT": "plain"}, FORGED).splitlines()

    after = found[found.index("ERROR training: It broke") + 1 :]
    assert after[0] == "  Traceback (most recent call last):"
    assert after[-2:] == ["  ValueError: /", after[-1]]  # the error says it in two lines
    assert all(line.startswith("  ") for line in after)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def site(environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    """The web process over a database without tables."""
    command = [sys.executable, "-m", "webapp.server"]
    environment = {**environment, "PORT": str(port)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def status(port: int, address: str) -> int | None:
    connection = HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", address)
        return connection.getresponse().status
    except ConnectionError:  # not there yet
        return None
    finally:
        connection.close()


def test_the_site_writes_nothing_but_objects(site: subprocess.Popen[str], port: int) -> None:
    is_there = wait_until(lambda: status(port, "/api/v1/recognizers") == 503)
    site.send_signal(signal.SIGTERM)
    _, errors = site.communicate(timeout=30)

    messages = [line["message"] for line in lines(errors)]
    assert is_there
    assert any("is ready at" in each for each in messages)
    assert any("no such table" in each for each in messages)
