"""Which device a run computes on, and why."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import Any

from training.errors import N_

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


def choose_device(gpus: list[Gpu], *, built_with_cuda: bool, has_driver: bool, cpu_name: str) -> Device:
    """A GPU where TensorFlow sees one, in mixed precision where that pays; else the CPU, with the reason."""
    if gpus:
        first = gpus[0]
        has_tensor_cores = (first.compute_capability or (0, 0)) >= TENSOR_CORES_SINCE
        return Device("gpu", first.name, "mixed_float16" if has_tensor_cores else "float32")
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


def prepare_device() -> Device:
    """Look at what TensorFlow sees, let GPU memory grow as needed and set the precision for all that follows.

    Mixed precision is left off on a CPU: measured there, it slowed MobileNetV2 by a fifth.
    """
    import keras
    import tensorflow as tf

    physical = tf.config.list_physical_devices("GPU")
    for each in physical:
        tf.config.experimental.set_memory_growth(each, True)
    details = [tf.config.experimental.get_device_details(each) for each in physical]
    device = choose_device(
        [Gpu(each.get("device_name", "GPU"), each.get("compute_capability")) for each in details],
        built_with_cuda=tf.test.is_built_with_cuda(),
        has_driver=shutil.which("nvidia-smi") is not None,
        cpu_name=_cpu_name(),
    )
    keras.config.set_dtype_policy(device.precision)
    return device


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return f"{names[0]} × {len(names)}" if names else "CPU"
