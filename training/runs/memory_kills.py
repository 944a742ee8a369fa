"""Whether the system has just killed a process for want of memory: it counts these, and says so to whoever asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

LOOKS = 20  # kept: a process with much memory takes seconds to be gone once it has been killed


class MemoryKills:
    """Watches the count while a process runs, so that a kill of hours ago is not held to be the one at its end."""

    def __init__(self, cgroups: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")) -> None:
        self._where = cgroups, proc
        self._counts = deque([count(*self._where)], maxlen=LOOKS)

    def look(self) -> None:
        """To be called about twice a second."""
        self._counts.append(count(*self._where))

    def have_risen(self) -> bool:
        """Whether one was counted during the last looks or since."""
        return count(*self._where) > self._counts[0]


def count(cgroups: Path, proc: Path) -> int:
    """Processes killed for want of memory: of this process's own control group, or where none is kept of the machine.

    0 where the system counts none (no Linux, or before 4.13).
    """
    for file in (*_of_own_group(cgroups, proc), proc / "vmstat"):
        for line in _lines(file):
            name, _, number = line.partition(" ")
            if name == "oom_kill" and number.strip().isdecimal():
                return int(number)
    return 0


def _of_own_group(cgroups: Path, proc: Path) -> Iterator[Path]:
    """Where a container shows its own group as the root, its path as the host sees it leads nowhere."""
    for line in _lines(proc / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            yield from (cgroups / path.lstrip("/") / "memory.events", cgroups / "memory.events")
        if "memory" in controllers.split(","):  # version 1
            yield from (cgroups / "memory" / each / "memory.oom_control" for each in (path.lstrip("/"), ""))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
