"""The whole site as `make run` starts it, and Debian's Chromium in front of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent.parent
READY_SECONDS = 90


@dataclass(frozen=True)
class Site:
    """A running site and its first staff account."""

    url: str
    data_dir: Path
    username: str
    password: str
    first_output: str  # what the first start printed
    processes: subprocess.Popen[str]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("site")
    with _own_database() as database_url:
        env = _environment(data_dir, database_url)
        first = subprocess.run(
            [sys.executable, "manage.py", "first_start"], cwd=ROOT, env=env, check=True, capture_output=True, text=True
        )
        username, password = re.search(r"First login: (\S+)\s+Password:\s+(\S+)", first.stdout).groups()
        url = f"http://127.0.0.1:{env['PORT']}"
        with started(env) as processes:
            _wait_until_ready(url, processes, data_dir / "output.txt")
            yield Site(url, data_dir, username, password, first.stdout, processes)


@contextmanager
def started(env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The Procfile's processes, ended together as Ctrl-C ends them."""
    with open(Path(env["DATA_DIR"]) / "output.txt", "w") as output:
        honcho = [str(Path(sys.executable).parent / "honcho"), "start"]
        processes = subprocess.Popen(
            honcho, cwd=ROOT, env=env, stdout=output, stderr=output, text=True, start_new_session=True
        )
        try:
            yield processes
        finally:
            processes.send_signal(signal.SIGINT)
            try:
                processes.wait(20)
            finally:
                if processes.poll() is None:
                    os.killpg(processes.pid, signal.SIGKILL)


def _environment(data_dir: Path, database_url: str) -> dict[str, str]:
    """What a user's shell would have: nothing of the test run's own settings."""
    mine = ("DISCERN_TESTS", "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "DATA_DIR")
    env = {name: value for name, value in os.environ.items() if name not in mine}
    env |= {"DATA_DIR": str(data_dir), "PORT": str(_free_port()), "PYTHONUNBUFFERED": "1"}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    if database_url:
        env["DATABASE_URL"] = database_url
    return env


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _own_database() -> Iterator[str]:
    """On PostgreSQL a database of the site's own, empty as on a first start; elsewhere its SQLite file."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield ""
        return
    name = f"discern_site_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _wait_until_ready(url: str, processes: subprocess.Popen[str], output: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and processes.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):  # noqa: S310  our own site
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the site is not ready:\n{output.read_text()}")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on the PATH (Debian: apt install chromium)")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    return {**browser_type_launch_args, "executable_path": chromium, "args": quiet}


@pytest.fixture(autouse=True)
def _nothing_goes_wrong_unseen(page: Page) -> Iterator[None]:
    """A script's error, or something the content security policy stopped, fails the test."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    yield
    assert errors == []


def sign_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/login/")
    page.get_by_label("Username").fill(site.username)
    page.get_by_label("Password").fill(site.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/manage/")
