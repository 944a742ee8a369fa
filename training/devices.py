"""Which device a run computes on, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from training.messages import N_

TENSOR_CORES_SINCE = (7, 0)  # NVIDIA compute capability from which 16-bit arithmetic is faster (Volta, 2017)


@dataclass(frozen=True)
class Gpu:
    name: str
    compute_capability: tuple[int, int] | None = None


@dataclass(frozen=True)
class Device:
    """What a run computes on; `reason` is the sentence that says why it is a CPU, empty on a GPU."""

    kind: str  # "gpu" or "cpu"
    name: str
    precision: str = "float32"  # a Keras dtype policy
    reason: dict[str, Any] = field(default_factory=dict)
    count: int = 1  # how many of its kind a run computes on


def choose_device(gpus: list[Gpu], *, built_with_cuda: bool, has_driver: bool, cpu_name: str) -> Device:
    """All GPUs that TensorFlow sees, in mixed precision where that pays; else the CPU, with the reason."""
    if gpus:
        have_tensor_cores = all((gpu.compute_capability or (0, 0)) >= TENSOR_CORES_SINCE for gpu in gpus)
        precision = "mixed_float16" if have_tensor_cores else "float32"
        return Device("gpu", _names_of(gpus), precision, count=len(gpus))
    if not has_driver:
        why = N_("No NVIDIA driver answers on this machine (there is no nvidia-smi).")
    elif not built_with_cuda:
        why = N_("There is an NVIDIA driver, but this TensorFlow is built without CUDA.")
    else:
        why = N_(
            "There is an NVIDIA driver, but TensorFlow finds no CUDA libraries: "
            "pip install -r requirements-gpu.txt and start the worker again."
        )
    return Device("cpu", cpu_name, reason={"template": why, "params": {}})


def _names_of(gpus: list[Gpu]) -> str:
    """Each kind of GPU once, with how many there are: “2 × NVIDIA L4”."""
    counts = Counter(gpu.name for gpu in gpus)
    return " + ".join(f"{count} × {name}" if count > 1 else name for name, count in counts.items())


def shares_of(batch_size: int, count: int) -> int:
    """How many of the devices take part: as many as share a batch evenly, so of 3 devices 2 share one of 32."""
    return max(each for each in range(1, count + 1) if batch_size % each == 0)


def cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return f"{names[0]} × {len(names)}" if names else "CPU"
