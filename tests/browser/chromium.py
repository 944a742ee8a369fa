"""Which Chromium the browser's tests drive: one on the PATH, else Playwright's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FETCH = (sys.executable, "-m", "playwright", "install", "--no-shell", "chromium")
FETCHING_SECONDS = 600


def find(playwrights: str) -> str | None:
    """A Chromium that starts; `playwrights` is where Playwright keeps its own, if it has one."""
    on_the_path = next(filter(None, map(shutil.which, NAMES)), None)
    return on_the_path or (playwrights if _starts(playwrights) else None)


def fetch_where_missing() -> None:
    """Fetch Playwright's own where none is on the PATH; where that fails, the browser's tests say that they skip."""
    with sync_playwright() as playwright:
        playwrights = playwright.chromium.executable_path
    if find(playwrights) is None:
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(FETCH, timeout=FETCHING_SECONDS, check=False)


def _starts(executable: str) -> bool:
    """One that was fetched may lack libraries of the system."""
    if not Path(executable).exists():
        return False
    return subprocess.run([executable, "--version"], capture_output=True, check=False).returncode == 0
