"""The whole site as `make run` starts it, and a Chromium in front of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from playwright.sync_api import BrowserType, Page

from tests.browser import chromium
from tests.site import Site, environment


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with _own_database() as database_url:
        site = Site(environment(tmp_path_factory.mktemp("site"), database_url))
        site.prepare()
        try:
            site.start()
            yield site
        finally:
            site.stop()


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


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], browser_type: BrowserType) -> dict[str, Any]:
    executable = chromium.find(browser_type.executable_path)
    if executable is None:
        pytest.skip("no Chromium on the PATH (Debian: apt install chromium), and Playwright could not fetch its own")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    return {**browser_type_launch_args, "executable_path": executable, "args": quiet}


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
