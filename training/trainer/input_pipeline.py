"""What a learner sees of the pictures: their pixels, or what a frozen part makes of these, changed in every epoch."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig
from training.data.images import Pixels, load_pixels
from training.data.manifest import Manifest
from training.data.pixel_cache import PixelFile
from training.trainer.augmentation import changed

Cache: TypeAlias = "PixelFile | Pixels"
"""(len(entries), image_size, image_size, 3) pixels: in a file, or of a few pictures in memory."""

NUM_THREADS = os.cpu_count() or 1
FEATURE_BYTES = 1 << 30  # of the features of all views together
BLOCK = 256  # pictures whose features are computed at a time


def shuffled(positions: NDArray[np.intp], seed: int, epoch: int) -> NDArray[np.intp]:
    """The positions in the order of one epoch, shape (len(positions),): the same whenever seed and epoch are."""
    return np.random.default_rng([seed, epoch]).permutation(positions)


@dataclass(frozen=True)
class Pictures:
    """What a learner sees of the pictures of a manifest: their pixels, or what a frozen part makes of them.

    In training they are randomly changed, anew in every epoch.
    """

    cache: Cache
    config: TrainingConfig
    part: Callable[[Pixels], NDArray[np.float32]] | None = None

    def at_rest(self, positions: NDArray[np.intp]) -> NDArray[Any]:
        return self._through_part(self.cache[positions])

    def in_epoch(self, epoch: int, positions: NDArray[np.intp]) -> NDArray[Any]:
        if not self.config.augmentation:
            return self.at_rest(positions)
        views = stacked(
            lambda i: changed(self.cache[positions[i]], self.config, epoch, int(positions[i])), len(positions)
        )
        return self._through_part(views)

    def _through_part(self, pixels: Pixels) -> NDArray[Any]:
        return self.part(pixels) if self.part else pixels


@dataclass(frozen=True)
class Features:
    """Features of the pictures of a manifest, computed once: as they are, and of some randomly changed views."""

    views: NDArray[np.float32]  # (1 + changed views, len(entries), n); changed ones of training pictures only

    def at_rest(self, positions: NDArray[np.intp]) -> NDArray[np.float32]:
        return self.views[0, positions]  # type: ignore[no-any-return]

    def in_epoch(self, epoch: int, positions: NDArray[np.intp]) -> NDArray[np.float32]:
        return self.views[epoch % len(self.views), positions]  # type: ignore[no-any-return]


def features(pictures: Pictures, manifest: Manifest, views: int) -> Features:
    """Compute them, in blocks, for all pictures but those of the test.

    Args:
        pictures: seen through the part that gives the features.
        views: how many there are of each training picture, itself the first; fewer where they would take more than
            FEATURE_BYTES.
    """
    train, validation = manifest.positions("train"), manifest.positions("validation")
    width = pictures.at_rest(train[:1]).shape[-1]
    affordable = FEATURE_BYTES // (4 * width * len(manifest.entries))
    views = max(1, min(views if pictures.config.augmentation else 1, affordable))
    kept = np.zeros((views, len(manifest.entries), width), np.float32)
    for block in blocks(np.concatenate([train, validation])):
        kept[0, block] = pictures.at_rest(block)
    for view in range(1, views):
        for block in blocks(train):
            kept[view, block] = pictures.in_epoch(view, block)
    return Features(kept)


def blocks(positions: NDArray[np.intp], at_a_time: int = BLOCK) -> list[NDArray[np.intp]]:
    """Some of them at a time, in order."""
    return [positions[i : i + at_a_time] for i in range(0, len(positions), at_a_time)]


def stacked(compute: Callable[[int], NDArray[Any]], count: int) -> NDArray[Any]:
    """compute(0) … compute(count - 1), by a thread on each core, shape (count, …)."""
    return np.stack(list(_pool().map(compute, range(count))))


def decoded(manifest: Manifest, positions: NDArray[np.intp], image_size: int) -> Pixels:
    """Some pictures of a manifest, (len(positions), image_size, image_size, 3), on all cores.

    Raises: UnreadablePicture if a kept file is damaged.
    """
    root = Path(manifest.root)
    return stacked(lambda i: load_pixels(root / manifest.entries[positions[i]].file, image_size), len(positions))


@cache
def _pool() -> ThreadPoolExecutor:
    """Kept: to begin and end threads for every batch would cost as much as a small batch."""
    return ThreadPoolExecutor(NUM_THREADS)
