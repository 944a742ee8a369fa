from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disks import mounted
from training.runs import supervisor


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    with mounted(tmp_path / "disk", "1m") as disk:
        yield disk


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Whether the worker that carries something out is going away; it looks more often than usual."""
    event = threading.Event()
    monkeypatch.setattr(supervisor, "stopping", event)
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.1)
    return event
