"""What several test processes share: made by the first that needs it, found by the others."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

SHARED = "DISCERN_TESTS_SHARED"  # a folder that outlives the processes that run beside each other


def made_once(name: str, make: Callable[[Path], object], own: Callable[[str], Path]) -> Path:
    """A folder that `make` has filled: below SHARED where there is one, else below this process's own."""
    shared = os.environ.get(SHARED)
    if not shared:
        folder = own(name)
        make(folder)
        return folder
    folder, done = Path(shared) / name, Path(shared) / f"{name}.done"
    with (Path(shared) / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
