"""What a frozen backbone makes of pictures as they are, computed once for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from training.data.manifest import Manifest
from training.trainer.input_pipeline import blocks

Compute = Callable[[NDArray[np.intp]], NDArray[np.float32]]
"""Positions in the manifest -> (n, width)."""


class KnownFeatures:
    """One backbone's, by position in the manifest.

    Args:
        handed_on: by the pictures' checksums, what is known already.
    """

    def __init__(self, manifest: Manifest, compute: Compute, handed_on: Mapping[str, NDArray[np.float32]]) -> None:
        self.compute = compute
        self.known = {i: handed_on[each.sha256] for i, each in enumerate(manifest.entries) if each.sha256 in handed_on}

    def of(self, positions: NDArray[np.intp]) -> NDArray[np.float32]:
        """(len(positions), width)."""
        for block in blocks(np.setdiff1d(positions, list(self.known))):
            self.known.update(zip(block, self.compute(block), strict=True))
        return np.stack([self.known[position] for position in positions])

    def forget(self) -> None:
        """The backbone has other weights now."""
        self.known.clear()
