"""What this machine has to train with: cores, memory, and the GPUs that TensorFlow sees."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from training.devices import Gpu, choose_device, cpu_name

PROBE = (sys.executable, "-m", "training.trainer.visible_gpus")
PROBE_SECONDS = 60  # importing TensorFlow from a cold disk takes a while

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hardware:
    gpus: tuple[str, ...]  # their names
    cpu: str
    num_cores: int
    memory_bytes: int

    @property
    def has_gpu(self) -> bool:
        return bool(self.gpus)

    @property
    def device(self) -> str:
        """What a run would compute on."""
        gpus = [Gpu(name) for name in self.gpus]
        return choose_device(gpus, built_with_cuda=True, has_driver=True, cpu_name=self.cpu).name


def without_gpus() -> Hardware:
    """What this machine has for work that computes on no GPU; none is looked for."""
    return Hardware(gpus=(), cpu=cpu_name(), num_cores=num_cores(), memory_bytes=memory_bytes())


@cache
def this_machine() -> Hardware:
    """Looked at once a process: a probe takes seconds, and a GPU does not come or go."""
    return Hardware(gpus=tuple(find_gpus()), cpu=cpu_name(), num_cores=num_cores(), memory_bytes=memory_bytes())


def find_gpus() -> list[str]:
    """Names of the GPUs that TensorFlow sees. It is asked in a process of its own, so that this one stays small."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(PROBE, capture_output=True, text=True, timeout=PROBE_SECONDS, check=True, env=quiet)
        return [str(name) for name in json.loads(done.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        said = str(getattr(error, "stderr", "") or "")[-500:]
        log.warning("TensorFlow could not be asked for GPUs, so no run that waits for one is taken: %s %s", error, said)
        return []


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Memory of the machine, or of the container or unit where that is limited (cgroup v2)."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([installed, *_memory_limits(root, own)])


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory that a process could still take without anything being swapped out."""
    lines = meminfo.read_text().splitlines() if meminfo.is_file() else []
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return min([memory_bytes(), *free])


def _memory_limits(root: Path, own: Path) -> Iterator[int]:
    """Every limit from this process's own group up to the root."""
    lines = own.read_text().splitlines() if own.is_file() else []
    groups = [line.removeprefix("0::").lstrip("/") for line in lines if line.startswith("0::")]
    folder = root / (groups[0] if groups else "")
    for each in (folder, *folder.parents):
        file = each / "memory.max"
        if each.is_relative_to(root) and file.is_file() and file.read_text().strip().isdecimal():
            yield int(file.read_text())
