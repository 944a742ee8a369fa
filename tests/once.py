"""What test processes that run beside each other share: made by the first that needs it, found by the others."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

SHARED = "DISCERN_TESTS_SHARED"  # names a folder; a test run that is alone has its own


def shared(name: str) -> Path:
    return Path(os.environ[SHARED]) / name


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` has filled, by whoever came first; the others wait for it."""
    folder, done = shared(name), shared(f"{name}.done")
    with shared(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            done.touch()
    return folder
