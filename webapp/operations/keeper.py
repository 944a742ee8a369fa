"""`python webapp/operations/keeper.py COMMAND …` runs a command, and starts it again when it ends or is killed.

The Procfile's processes run under it, so that a crash of one is over within seconds. It is started as a script and
imports nothing of ours: it has to be small, and to live on whatever goes wrong elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

POLL_SECONDS = 0.2
GRACE_SECONDS = 15  # between asking the command to end and killing it
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 8.0
SETTLED_SECONDS = 10  # a command that lived so long had started well
OWNERS_ONLY = 0o077  # the umask of webapp/environment.py, also for a command that never reads it
PR_SET_PDEATHSIG = 1  # Linux: the signal a process gets when its parent dies


class Keeper:
    """Keeps one command running until it is told to end, or until whoever started it is gone."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.starters = starters()
        self.is_ending = False
        os.umask(OWNERS_ONLY)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)

    def run(self) -> int:
        """Returns: the exit code to leave with."""
        pause, is_first = FIRST_PAUSE_SECONDS, True
        while True:
            began = time.monotonic()
            code = self._once()
            if self.is_ending:
                return max(code, 0)
            lived = time.monotonic() - began
            if is_first and code > 0 and lived < SETTLED_SECONDS:  # wrong settings, a taken port: nothing to try again
                return code
            is_first = False
            pause = FIRST_PAUSE_SECONDS if lived >= SETTLED_SECONDS else min(2 * pause, LONGEST_PAUSE_SECONDS)
            how = signal.Signals(-code).name if code < 0 else f"code {code}"
            say(f"{self.command[0]} ended with {how}; starting it again")
            self._sleep(pause)

    def _once(self) -> int:
        child = subprocess.Popen(self.command, start_new_session=True, preexec_fn=die_with_parent)
        asked_at = None
        while child.poll() is None:
            if starters() != self.starters:
                self.is_ending = True
            if self.is_ending and asked_at is None:
                asked_at = time.monotonic()
                child.terminate()
            if asked_at and time.monotonic() - asked_at > GRACE_SECONDS:
                child.kill()
            time.sleep(POLL_SECONDS)
        return child.returncode

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.is_ending:
            time.sleep(POLL_SECONDS)

    def _end(self, number: int, frame: object) -> None:
        self.is_ending = True


def say(message: str) -> None:
    """On the error output, in the form that LOG_FORMAT asks for."""
    if os.environ.get("LOG_FORMAT") == "json":
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        message = json.dumps({"time": now, "level": "WARNING", "logger": "keep", "message": message})
    print(message, file=sys.stderr, flush=True)  # noqa: T201


def starters() -> list[int]:
    """Who started this process: its parent, and as far up as it is honcho, which puts a process and a shell between."""
    pids = [os.getppid()]
    with contextlib.suppress(OSError):  # no /proc, or gone this moment
        while is_between(Path(f"/proc/{pids[-1]}/cmdline").read_bytes()):
            pids.append(int(Path(f"/proc/{pids[-1]}/stat").read_text().rpartition(")")[2].split()[1]))
    return pids


def is_between(command_line: bytes) -> bool:
    """Whether it is honcho's, or the shell that runs our line of the Procfile for it."""
    return b"honcho" in command_line or Path(__file__).name.encode() in command_line


def die_with_parent() -> None:
    """Where the keeper itself is killed its command must not live on, holding the port. Linux alone has this."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(Keeper(sys.argv[1:]).run())
