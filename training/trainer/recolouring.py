"""Changes of one picture's colours, as Keras's random layers make them: (side, side, 3) pixels in, new ones out.

Each rounds to 8 bits once, at its end. They work block by block: what fits the processor's cache takes half the time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.data.images import Pixels

BLOCK = 16_384  # pixels at a time
LEAST_SIGMA = 1e-6  # what Keras adds, so that none is 0
LEAST_WEIGHT = 1e-4  # of a neighbour in a blur: all lighter ones together weigh less than half a level


def brighter(pixels: Pixels, delta: float) -> Pixels:
    """Every value moved by a share of white. It rounds down as it always did, so that trainings keep their weights."""
    table = (np.arange(256) + 255 * delta).clip(0, 255).astype(np.uint8)
    return np.take(table, pixels)


def contrasted(pixels: Pixels, factor: float) -> Pixels:
    """Stretched about the mean of each channel."""
    side = len(pixels)
    rows = pixels.reshape(side, -1)
    means = rows.sum(axis=0, dtype=np.uint32).reshape(side, 3).sum(axis=0) / side**2
    offsets = np.tile(means * (1 - factor) + 0.5, side).astype(np.float32)
    stretched = np.empty_like(rows)
    for block in _blocks(side, BLOCK // (3 * side)):
        values = rows[block] * np.float32(factor)
        values += offsets
        stretched[block] = values.clip(0, 255, out=values)
    return stretched.reshape(pixels.shape)


def tinted(pixels: Pixels, hue: float, saturation: float) -> Pixels:
    """Hue turned and saturation multiplied, as in HSV but without going there.

    With the largest, middle and least of a pixel's channels, a turn by k sixths of the circle, |k| <= 1, makes of a
    channel x, of which y is the next and z the one after it,

        2 x - middle + k (largest - least) sign(z - y),  kept between least and largest

    and the saturation then draws every channel away from the largest, until the least is 0.

    Args:
        hue: of the circle, at most a sixth to either side.
        saturation: 1 leaves it.
    """
    flat = pixels.reshape(-1, 3)
    tinted = np.empty_like(flat)
    for block in _blocks(len(flat), BLOCK):
        red, green, blue = flat[block].T.astype(np.float32, order="C")
        largest = np.maximum(np.maximum(red, green), blue)
        least = np.minimum(np.minimum(red, green), blue)
        width = largest - least
        minus_middle = largest + least - red - green - blue
        turn = 6 * hue * width
        factor = saturation if saturation <= 1 else np.minimum(saturation, largest / np.maximum(width, 1))
        for number, (x, y, z) in enumerate(((red, green, blue), (green, blue, red), (blue, red, green))):
            value = np.sign(z - y)
            value *= turn
            value += minus_middle
            value += x
            value += x
            np.maximum(value, least, out=value)
            np.minimum(value, largest, out=value)
            value -= largest
            value *= factor
            value += largest
            value += 0.5
            tinted[block, number] = value
    return tinted.reshape(pixels.shape)


def blurred(pixels: Pixels, kernel_size: int, down: float, across: float) -> Pixels:
    """Through a Gaussian of kernel_size x kernel_size pixels; beyond the border all is black.

    Args: down, across: its sigmas, in pixels.
    """
    values = pixels.astype(np.float32)
    for sigma in (down, across):
        columns = values.reshape(len(values), -1)
        weights = _half_of_gaussian(kernel_size, sigma)
        summed = np.empty_like(columns)
        for block in _blocks(columns.shape[1], 2 * BLOCK // len(columns)):
            summed[:, block] = _weighted_sum(np.ascontiguousarray(columns[:, block]), weights)
        values = summed.reshape(pixels.shape).transpose(1, 0, 2)
    return (values + 0.5).astype(np.uint8, order="C")


def _half_of_gaussian(kernel_size: int, sigma: float) -> NDArray[np.float32]:
    """The weights of a value itself and of its neighbours to one side, as far as they matter."""
    weights = np.exp(-0.5 * (np.arange(kernel_size // 2 + 1) / (sigma + LEAST_SIGMA)) ** 2)
    weights /= 2 * weights.sum() - weights[0]
    return weights[weights > LEAST_WEIGHT].astype(np.float32)


def _weighted_sum(values: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each value and its neighbours above and below."""
    total: NDArray[np.float32] = values * weights[0]
    weighted = np.empty_like(values)
    for distance in range(1, min(len(weights), len(values))):
        np.multiply(values, weights[distance], out=weighted)
        total[distance:] += weighted[:-distance]
        total[:-distance] += weighted[distance:]
    return total


class Box(NamedTuple):
    """A rectangle, in sides of the picture."""

    left: float
    top: float
    width: float
    height: float


def erased(pixels: Pixels, box: Box, fill_value: float) -> Pixels:
    """A box filled with one grey, from the first row and column that begin in it."""
    side = len(pixels)
    left, right, top, bottom = (
        math.ceil(side * each) for each in (box.left, box.left + box.width, box.top, box.top + box.height)
    )
    copy = pixels.copy()
    copy[top:bottom, left:right] = fill_value
    return copy


def _blocks(count: int, at_a_time: int) -> list[slice]:
    step = max(1, at_a_time)
    return [slice(i, i + step) for i in range(0, count, step)]
