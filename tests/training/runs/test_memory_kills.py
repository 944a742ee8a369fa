"""Whether memory ran out is read from what the kernel counts; the folders here look like those of real machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.runs.memory_kills import LOOKS, MemoryKills

# Where the count lies, by what /proc/self/cgroup says of this process's own group.
LAYOUTS = {
    "version 2": ("0::/system.slice/discern.service", "cgroup/system.slice/discern.service/memory.events"),
    "version 2 in a container": ("0::/", "cgroup/memory.events"),
    "version 2, a path of the host's": ("0::/docker/4be1", "cgroup/memory.events"),
    "version 1": ("4:memory:/docker/4be1\n0::/", "cgroup/memory/docker/4be1/memory.oom_control"),
    "version 1 in a container": ("9:cpu,memory:/docker/4be1", "cgroup/memory/memory.oom_control"),
    "no groups": ("0::/", "proc/vmstat"),
}


def write(folder: Path, layout: str, number: int) -> None:
    group, name = LAYOUTS[layout]
    texts = {"proc/self/cgroup": group, "proc/vmstat": "nr_free_pages 5\noom_kill 7\n"}
    texts[name] = f"low 0\noom 3\noom_kill {number}\noom_group_kill 0\n"
    for each, text in texts.items():
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        (folder / each).write_text(text)


def watched(folder: Path) -> MemoryKills:
    return MemoryKills(folder / "cgroup", folder / "proc")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_kill_for_want_of_memory_is_seen_wherever_it_is_counted(layout: str, tmp_path: Path) -> None:
    write(tmp_path, layout, 2)
    kills = watched(tmp_path)
    assert not kills.have_risen()

    write(tmp_path, layout, 3)

    assert kills.have_risen()


def test_what_is_killed_in_other_groups_of_the_machine_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, "version 2", 2)
    kills = watched(tmp_path)

    (tmp_path / "proc/vmstat").write_text("oom_kill 8\n")

    assert not kills.have_risen()


def test_a_kill_of_long_ago_says_nothing_of_the_end(tmp_path: Path) -> None:
    write(tmp_path, "version 2", 2)
    kills = watched(tmp_path)
    write(tmp_path, "version 2", 3)

    for _ in range(LOOKS - 1):
        kills.look()
    assert kills.have_risen()
    kills.look()

    assert not kills.have_risen()


def test_a_machine_that_counts_nothing_gives_no_evidence(tmp_path: Path) -> None:
    assert not watched(tmp_path).have_risen()
