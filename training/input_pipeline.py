"""Every picture is decoded once per manifest and size; every epoch reads from that memory-mapped cache."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.images import load_pixels
from training.manifest import Manifest

Cache = NDArray[np.uint8]


def pixel_cache(manifest: Manifest, image_size: int, folder: Path) -> Cache:
    """uint8 pixels of every entry, shape (len(entries), image_size, image_size, 3), memory-mapped.

    Decoding runs on all cores (Pillow lets go of the interpreter lock); the file appears only when it is whole.

    Raises: UnreadablePicture if a kept file is damaged.
    """
    path = folder / f"{manifest.sha256[:32]}-{image_size}.npy"
    if not path.exists():
        _fill(path, manifest, image_size)
    os.utime(path)  # says when it was last of use
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _fill(path: Path, manifest: Manifest, image_size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (len(manifest.entries), image_size, image_size, 3)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
    try:
        cache = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        root = Path(manifest.root)

        def decode(position: int) -> None:
            cache[position] = load_pixels(root / manifest.entries[position].file, image_size)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(decode, range(len(manifest.entries))))
        cache.flush()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def dataset(
    inputs: NDArray[Any],
    labels: NDArray[np.int32],
    positions: NDArray[np.intp],
    batch_size: int,
    *,
    seed: int | None = None,
) -> tf.data.Dataset:
    """Batches of (inputs, labels) at some positions, shuffled anew each epoch where a seed is given.

    A batch is read from the memory map in one go, so a picture costs one copy and never a decode.

    Args:
        inputs: (n, …) pixels, or features of them.
        labels: (n,) class indices.
    Returns: batches of ((batch, …) of the inputs' dtype, (batch,) int32).
    """
    order = tf.data.Dataset.from_tensor_slices(positions.astype(np.int64))
    if seed is not None:
        order = order.shuffle(len(positions), seed=seed, reshuffle_each_iteration=True)

    def read(wanted: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int32]]:
        return inputs[wanted], labels[wanted]

    def read_batch(wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        values, classes = tf.numpy_function(read, [wanted], [inputs.dtype, tf.int32])
        return tf.ensure_shape(values, (None, *inputs.shape[1:])), tf.ensure_shape(classes, (None,))

    return order.batch(batch_size).map(read_batch, num_parallel_calls=2).prefetch(2)
