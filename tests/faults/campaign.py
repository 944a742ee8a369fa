"""How large a fault test is, and what it came to: a quick selection in `make test`, all of it in `make faults`."""

from __future__ import annotations

import json
import os
from pathlib import Path

IS_FULL = bool(os.environ.get("FAULTS_RESULTS"))  # a file that takes a line for each promise


def rounds(quick: int, full: int) -> int:
    """How many faults to make."""
    return full if IS_FULL else quick


def record(promise: str, seen: str) -> None:
    """Keep a line for the table in docs/reliability.md; nothing in a quick selection."""
    if IS_FULL:
        with Path(os.environ["FAULTS_RESULTS"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"promise": promise, "seen": seen}) + "\n")
