"""The devices that TensorFlow sees, and how several of them share a training."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache
from typing import Any

import keras
import tensorflow as tf

from training.devices import Device, Gpu, choose_device, cpu_name, shares_of


def distribution_scope(device: Device, batch_size: int) -> AbstractContextManager[object]:
    """Where a network is built, compiled and fitted: on several devices each learns from its share of every batch."""
    shares = shares_of(batch_size, device.count)
    return _mirrored_strategy(device.kind, shares).scope() if shares > 1 else nullcontext()


@cache
def _mirrored_strategy(kind: str, count: int) -> Any:
    """One for the whole process: a second one on the same devices would mix its sums up with the first one's."""
    return tf.distribute.MirroredStrategy([f"{kind}:{number}" for number in range(count)])


def prepare_device(precision: str = "auto") -> Device:
    """Look at what TensorFlow sees, let GPU memory grow as needed and set the precision for all that follows.

    Keras's mixed precision is left off on a CPU: measured there, it slowed MobileNetV2 by a fifth. What is faster in
    16 bits there, `acceleration` computes so.

    Args:
        precision: a config's.
    """
    physical = tf.config.list_physical_devices("GPU")
    for each in physical:
        tf.config.experimental.set_memory_growth(each, True)
    details = [tf.config.experimental.get_device_details(each) for each in physical]
    device = choose_device(
        [Gpu(each.get("device_name", "GPU"), each.get("compute_capability")) for each in details],
        built_with_cuda=tf.test.is_built_with_cuda(),
        has_driver=shutil.which("nvidia-smi") is not None,
        cpu_name=cpu_name(),
    )
    if device.kind == "gpu" and precision != "auto":
        device = replace(device, precision="float32" if precision == "float32" else "mixed_float16")
    keras.config.set_dtype_policy(device.precision)
    return device
