from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from webapp.operations.locks import AlreadyHeld, check_free, hold

HOLDS = """
import os, sys, time
from pathlib import Path
from webapp.operations.locks import hold
hold(Path(sys.argv[1]), address="http://here/")
print("held", flush=True)
{then}
"""
SLEEPS = "time.sleep(60)"
BECOMES_ANOTHER = "os.execvp('sleep', ['sleep', '60'])"


@contextmanager
def holding(path: Path, then: str = SLEEPS) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDS.format(then=then), str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            yield holder
        finally:
            holder.kill()


@pytest.mark.parametrize("then", [SLEEPS, BECOMES_ANOTHER])
def test_a_lock_that_another_process_has_is_refused_and_says_whose_it_is(then: str, tmp_path: Path) -> None:
    with holding(tmp_path / "lock", then) as holder:
        for refused in (hold, check_free):
            with pytest.raises(AlreadyHeld, match=rf"process {holder.pid} on .+ at http://here/, since 20"):
                refused(tmp_path / "lock", patience=0)


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with holding(tmp_path / "lock") as holder:
        holder.kill()
        holder.wait()

        check_free(tmp_path / "lock")
        os.close(hold(tmp_path / "lock"))


def test_who_lets_go_within_a_moment_is_waited_for(tmp_path: Path) -> None:
    with holding(tmp_path / "lock", "time.sleep(0.5)"):
        os.close(hold(tmp_path / "lock", patience=30))


def test_looking_whether_a_lock_is_free_leaves_no_file(tmp_path: Path) -> None:
    check_free(tmp_path / "lock")

    assert not (tmp_path / "lock").exists()


def test_a_holder_that_could_not_be_read_is_refused_all_the_same(tmp_path: Path) -> None:
    with holding(tmp_path / "lock"):
        (tmp_path / "lock").write_text("{")

        with pytest.raises(AlreadyHeld, match="another process"):
            hold(tmp_path / "lock", patience=0)
