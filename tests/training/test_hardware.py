from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from training import hardware


@pytest.fixture
def _driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An nvidia-smi on the PATH."""
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def prints(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"print({text!r})")


def test_without_a_driver_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(hardware, "PROBE", prints('["A GPU"]'))

    assert hardware.find_gpus() == []


@pytest.mark.usefixtures("_driver")
def test_the_gpus_are_those_that_the_probe_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "PROBE", prints('["A GPU", "Another"]'))

    assert hardware.find_gpus() == ["A GPU", "Another"]


@pytest.mark.parametrize(
    "probe",
    [
        ("false",),
        ("/nowhere/python",),
        prints("Segmentation fault"),
        prints("7"),
        (sys.executable, "-c", "import time; time.sleep(60)"),
    ],
)
@pytest.mark.usefixtures("_driver")
def test_a_probe_that_fails_means_a_cpu_and_a_line_in_the_log(
    probe: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hardware, "PROBE", probe)
    monkeypatch.setattr(hardware, "PROBE_SECONDS", 0.5)

    assert hardware.find_gpus() == []
    assert "could not be asked for GPUs" in caplog.text


@pytest.mark.usefixtures("_driver")
def test_the_real_probe_answers_in_time() -> None:
    assert isinstance(hardware.find_gpus(), list)


def test_a_machine_says_what_it_computes_on() -> None:
    machine = hardware.Hardware(("A GPU", "A GPU"), "A CPU", 8, 2**34)

    assert (machine.has_gpu, machine.device) == (True, "2 × A GPU")


def test_this_machine_has_cores_and_memory() -> None:
    here = hardware.this_machine()

    assert 1 <= here.num_cores <= (os.cpu_count() or 1)
    assert here.memory_bytes > 2**28


@pytest.mark.parametrize(
    ("limits", "group", "expected"),
    [
        ({"": "max"}, "/", None),
        ({"": "1000000"}, "/", 1_000_000),
        ({"": "1000000"}, "/elsewhere", 1_000_000),  # seen from inside a container
        ({"unit": "max", "": "3000000"}, "/unit/child", 3_000_000),
        ({"unit": "2000000", "unit/child": "5000000"}, "/unit/child", 2_000_000),
    ],
)
def test_memory_is_what_the_tightest_limit_leaves(
    limits: dict[str, str], group: str, expected: int | None, tmp_path: Path
) -> None:
    root, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text(f"1:cpu:/\n0::{group}\n")
    for name, limit in limits.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "memory.max").write_text(limit + "\n")

    installed = hardware.memory_bytes(tmp_path / "none", own)

    assert hardware.memory_bytes(root, own) == (expected or installed)
