"""Some of a manifest's pictures, where looking at all of them would take too long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.data.manifest import Manifest
from training.data.splitting import Split


def subset(manifest: Manifest, most: Mapping[Split, int]) -> Manifest:
    """At most so many pictures of each side, evenly from what is in order of the classes: each has its share.

    Args:
        most: by side; a side that is not named is left out.
    """
    kept = np.concatenate([evenly(manifest.positions(split), count) for split, count in most.items()])
    return replace(manifest, entries=[manifest.entries[position] for position in np.sort(kept)])


def evenly(positions: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """At most so many, spread over all."""
    if len(positions) <= count:
        return positions
    return positions[np.linspace(0, len(positions) - 1, count).round().astype(np.intp)]
