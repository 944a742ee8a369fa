"""Prints the GPUs that TensorFlow sees: `python -m training.trainer.visible_gpus`, for who must not keep it loaded."""

from __future__ import annotations

import json
import sys

import tensorflow as tf


def visible_gpus() -> list[str]:
    """Names of the GPUs."""
    physical = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(each).get("device_name", "GPU") for each in physical]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(visible_gpus()))
