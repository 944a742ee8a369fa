from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import is_alive, wait_until

KEEP = Path(__file__).parents[3] / "webapp" / "operations" / "keeper.py"
SAYS_ITS_PID = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"


@contextmanager
def kept(code: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(KEEP), sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as keeper:
        try:
            yield keeper
        finally:
            keeper.terminate()


@pytest.fixture
def pids(tmp_path: Path) -> Callable[[], list[int]]:
    """The processes that have said their number so far."""
    file = tmp_path / "pids"
    file.touch()
    return lambda: [int(line) for line in file.read_text().split()]


def test_a_command_that_is_killed_is_started_again(pids: Callable[[], list[int]], tmp_path: Path) -> None:
    with kept(SAYS_ITS_PID, str(tmp_path / "pids")):
        assert wait_until(lambda: len(pids()) == 1)
        os.kill(pids()[0], signal.SIGKILL)

        assert wait_until(lambda: len(pids()) == 2)
        assert is_alive(pids()[1])


def test_a_command_that_cannot_even_begin_is_not_tried_again() -> None:
    with kept("raise SystemExit(3)") as keeper:
        assert keeper.wait(20) == 3


def test_a_command_that_had_begun_once_is_tried_again_and_again(pids: Callable[[], list[int]], tmp_path: Path) -> None:
    fails_later = f"import os, sys; begun = os.path.getsize(sys.argv[1])\n{SAYS_ITS_PID}"
    with kept(
        fails_later.replace("time.sleep(60)", "sys.exit(3) if begun else time.sleep(60)"), str(tmp_path / "pids")
    ):
        assert wait_until(pids)
        os.kill(pids()[0], signal.SIGKILL)

        assert wait_until(lambda: len(pids()) == 3)


def test_who_is_asked_to_end_ends_its_command(pids: Callable[[], list[int]], tmp_path: Path) -> None:
    with kept(SAYS_ITS_PID, str(tmp_path / "pids")) as keeper:
        assert wait_until(pids)

        keeper.terminate()

        assert keeper.wait(20) == 0
        assert not is_alive(pids()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_command_does_not_outlive_a_keeper_that_is_killed(pids: Callable[[], list[int]], tmp_path: Path) -> None:
    with kept(SAYS_ITS_PID, str(tmp_path / "pids")) as keeper:
        assert wait_until(pids)

        keeper.kill()

        assert wait_until(lambda: not is_alive(pids()[0]))


def test_a_command_does_not_outlive_whoever_started_its_keeper(pids: Callable[[], list[int]], tmp_path: Path) -> None:
    starts = f"import subprocess, sys; subprocess.run([sys.executable, {str(KEEP)!r}, *sys.argv[1:]])"
    starter = subprocess.Popen(
        [sys.executable, "-c", starts, sys.executable, "-c", SAYS_ITS_PID, str(tmp_path / "pids")]
    )
    assert wait_until(pids)

    starter.kill()
    starter.wait()

    assert wait_until(lambda: not is_alive(pids()[0]))
