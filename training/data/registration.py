"""Do two pictures show the very same, but for size, crop and compression? Laid over one another, pixel by pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 64  # of the pictures that are compared, in pixels
LEVELS = ((16, 5), (32, 4))  # side of the grey pictures that are aligned, and steps: from coarse to fine
BLOCK = 4  # pixels of the side of what colours are averaged over
LEAST_CONTRAST = 5  # standard deviation that even a blank picture is taken to have, 0-255
HOPELESS = 0.5  # difference from which on a pair is not looked at any closer
LARGEST_STEP, LARGEST_CHANGE = 0.1, 0.12  # of scale and place, as a share of half the side

Floats = NDArray[np.float32]


def compare(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Floats:
    """Lay the second of each pair over the first, as one may be cut off at its edges, and say how much differs.

    Args:
        first, second: (m, SIDE, SIDE, 3) pixels.
    Returns: of shape (m,), 0 for the same, above 0.25 for different photos, infinite where it is soon clear.
    """
    grey_first, grey_second = _grey(first), _grey(second)
    change = np.zeros((len(first), 4), dtype=np.float32)  # scale - 1 and shift, each across and down
    difference = np.full(len(first), np.inf, dtype=np.float32)
    left = np.arange(len(first))
    for side, steps in LEVELS:
        fixed, moving = _shrunk(grey_first[left], side), _shrunk(grey_second[left], side)
        change = _aligned(fixed, moving, change, steps)
        is_near = _roughly(fixed, moving, change) < HOPELESS
        left, change = left[is_near], change[is_near]
        if not len(left):
            return difference
    difference[left] = _difference(first[left], second[left], change)
    return difference


def _roughly(fixed: Floats, moving: Floats, change: Floats) -> Floats:
    """What is left of the difference of grey pictures, as a share of their contrast; shape (m,)."""
    seen, inside = _moved(moving[..., None], change)
    apart = (fixed.reshape(len(fixed), -1) - seen[..., 0]) * inside
    square: Floats = (apart**2).sum(1) / inside.sum(1).clip(1)
    return np.asarray(np.sqrt(square) / _contrast(fixed), dtype=fixed.dtype)


def _contrast(grey: Floats) -> Floats:
    contrast: Floats = grey.reshape(len(grey), -1).std(axis=1) + LEAST_CONTRAST
    return contrast


def _grey(pixels: NDArray[np.uint8]) -> Floats:
    grey: Floats = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return grey


def _shrunk(grey: Floats, side: int) -> Floats:
    factor = SIDE // side
    shrunk: Floats = grey.reshape(len(grey), side, factor, side, factor).mean((2, 4))
    return shrunk


def _grid(side: int) -> tuple[Floats, Floats]:
    """Where the pixels of a picture lie, from -1 to 1 across and down; each of shape (side * side,)."""
    centres: Floats = ((np.arange(side) + 0.5) * 2 / side - 1).astype(np.float32)
    return np.tile(centres, side), np.repeat(centres, side)


def _aligned(fixed: Floats, moving: Floats, change: Floats, steps: int) -> Floats:
    """Improve the change of scale and place by Gauss-Newton steps (Lucas and Kanade 1981); shape (m, 4)."""
    side = fixed.shape[1]
    across, down = _grid(side)
    slope_down, slope_across = np.gradient(moving, axis=(1, 2))
    layers = np.stack([moving, slope_across * (side / 2), slope_down * (side / 2)], axis=-1)
    for _ in range(steps):
        seen, inside = _moved(layers, change)
        left = fixed.reshape(len(fixed), -1) - seen[..., 0]
        left -= _mean(left, inside)
        slopes = np.stack([seen[..., 1] * across, seen[..., 2] * down, seen[..., 1], seen[..., 2]], axis=-1)
        slopes *= inside[..., None]
        curvature = np.swapaxes(slopes, 1, 2) @ slopes + 1e-3 * side**2 * np.eye(4, dtype=np.float32)
        step = np.linalg.solve(curvature, np.swapaxes(slopes, 1, 2) @ left[..., None])[..., 0]
        change = (change + step.clip(-LARGEST_STEP, LARGEST_STEP)).clip(-LARGEST_CHANGE, LARGEST_CHANGE)
    return change


def _moved(layers: Floats, change: Floats) -> tuple[Floats, Floats]:
    """Pictures of any channels (m, side, side, c), read where the change says: (m, side * side, c); 1 where inside."""
    count, side = layers.shape[:2]
    across, down = _grid(side)
    x = ((1 + change[:, :1]) * across + change[:, 2:3] + 1) * (side / 2) - 0.5
    y = ((1 + change[:, 1:2]) * down + change[:, 3:4] + 1) * (side / 2) - 0.5
    inside = ((x >= 0) & (x <= side - 1) & (y >= 0) & (y <= side - 1)).astype(np.float32)
    x, y = x.clip(0, side - 1.001), y.clip(0, side - 1.001)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, low = (x - left)[..., None], (y - top)[..., None]
    flat = layers.reshape(count * side * side, layers.shape[-1])
    corner = (np.arange(count)[:, None] * side + top) * side + left
    upper = flat[corner] * (1 - right) + flat[corner + 1] * right
    lower = flat[corner + side] * (1 - right) + flat[corner + side + 1] * right
    return upper * (1 - low) + lower * low, inside


def _mean(values: Floats, inside: Floats) -> Floats:
    mean: Floats = (values * inside).sum(1, keepdims=True) / inside.sum(1, keepdims=True).clip(1)
    return mean


def _difference(first: NDArray[np.uint8], second: NDArray[np.uint8], change: Floats) -> Floats:
    """Root mean square difference of the blocks' colours, as a share of the first picture's contrast; shape (m,)."""
    count = len(first)
    seen, inside = _moved(second.astype(np.float32), change)
    apart = (first.reshape(count, -1, 3) - seen) * inside[..., None]
    blocks = (count, SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK)
    weights = inside.reshape(blocks).sum((2, 4))
    colours = np.abs(apart.reshape(*blocks, 3).sum((2, 4))).mean(-1) / weights.clip(1)
    covered = weights >= BLOCK**2 / 2
    square = (colours**2 * covered).sum((1, 2)) / covered.sum((1, 2)).clip(1)
    difference: Floats = np.sqrt(square) / _contrast(_grey(first))
    return difference
