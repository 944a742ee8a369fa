"""The whole site as `make run` starts it, and a Chromium in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserType, Page

from tests.browser import chromium
from tests.databases import database_of_its_own
from tests.once import made_once
from tests.site import Site, environment


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """As it is once the digits are trained that the first start leaves to a worker; made once for all databases."""
    kept = made_once("first-start", first_start)
    with database_of_its_own("site") as database_url:
        site = Site(environment(tmp_path_factory.mktemp("site"), database_url))
        site.manage("restore", str(kept / "backup"))
        site.prepare()
        site.username, site.password = (kept / "login").read_text().split()
        try:
            site.start()
            yield site
        finally:
            site.stop()


def first_start(folder: Path) -> None:
    """A new installation's backup, and its first login."""
    site = Site(environment(folder / "data", ""))
    site.prepare()
    site.carry_out_runs()
    site.manage("backup", str(folder / "backup"))
    (folder / "login").write_text(f"{site.username} {site.password}")


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
