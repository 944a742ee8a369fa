"""Looking at processes from outside."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from training.data import decoders
from training.data.decoders import Decoder


def is_alive(pid: int) -> bool:
    """False also for one that has ended and was not waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object], *, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def killed_once_it_decodes(decoder: Decoder) -> None:
    """Have the one decoder get no further with the next picture, and killed (-9) with it."""
    os.kill(decoder.process.pid, signal.SIGSTOP)

    def kill() -> None:
        wait_until(lambda: not decoders.lanes[0].idle)
        time.sleep(0.2)  # it is taken; now it has its picture
        os.kill(decoder.process.pid, signal.SIGKILL)

    threading.Thread(target=kill).start()
