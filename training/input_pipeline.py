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

    Raises: UnreadablePicture if a kept file is damaged, OSError with the file's name if the disk is full.
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
        _reserve(temporary)
        root = Path(manifest.root)

        def decode(position: int) -> None:
            cache[position] = load_pixels(root / manifest.entries[position].file, image_size)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(decode, range(len(manifest.entries))))
        cache.flush()
        temporary.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _reserve(path: Path) -> None:
    """Take a sparse file's bytes now: on a full disk, writing to its memory map would kill the process by a signal."""
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def shuffled(positions: NDArray[np.intp], seed: int, epoch: int) -> NDArray[np.intp]:
    """The positions in the order of one epoch, shape (len(positions),): the same whenever seed and epoch are."""
    return np.random.default_rng([seed, epoch]).permutation(positions)


def dataset(
    inputs: NDArray[Any], labels: NDArray[np.int32], positions: NDArray[np.intp], batch_size: int
) -> tf.data.Dataset:
    """Batches of (inputs, labels) at some positions, in their order.

    A batch is read from the memory map in one go, so a picture costs one copy and never a decode.

    Args:
        inputs: (n, …) pixels, or features of them.
        labels: (n,) class indices.
    Returns: batches of ((batch, …) of the inputs' dtype, (batch,) int32).
    """

    def read(wanted: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int32]]:
        return inputs[wanted], labels[wanted]

    def read_batch(wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        values, classes = tf.numpy_function(read, [wanted], [inputs.dtype, tf.int32])
        return tf.ensure_shape(values, (None, *inputs.shape[1:])), tf.ensure_shape(classes, (None,))

    order = tf.data.Dataset.from_tensor_slices(positions.astype(np.int64))
    return order.batch(batch_size).map(read_batch, num_parallel_calls=2).prefetch(2)
