"""What a network holds, drawn: filters and maps as tiles on a sheet, values as histograms. Needs no TensorFlow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.data.images import Pixels
from training.results.inspection_result import Histogram

MAX_TILE = 128  # pixels; a larger map is thinned out
GAP = 2  # pixels between tiles
NUM_BINS = 40

Values = NDArray[np.floating]


def histogram(values: Values) -> Histogram:
    flat = np.asarray(values, np.float64).ravel()
    low, high = float(flat.min()), float(flat.max())
    counts, _ = np.histogram(flat, NUM_BINS, (low, high) if high > low else (low - 0.5, high + 0.5))
    return Histogram(
        low=low,
        high=high,
        mean=float(flat.mean()),
        deviation=float(flat.std()),
        zeros=float((flat == 0).mean()),
        counts=counts.tolist(),
    )


def strongest(maps: Values, count: int) -> NDArray[np.intp]:
    """Numbers of the channels of (height, width, channels) that react most, by mean absolute value, falling."""
    return np.argsort(-np.abs(maps).mean(axis=(0, 1)), kind="stable")[:count]


def map_tiles(maps: Values, side: int) -> Pixels:
    """(height, width, n) -> (n, side', side', 1): each map by itself from black, its lowest value, to white."""
    step = -(-max(maps.shape[:2]) // MAX_TILE)
    tiles = np.moveaxis(maps[::step, ::step], -1, 0).astype(np.float32)
    low = tiles.min(axis=(1, 2), keepdims=True)
    span = tiles.max(axis=(1, 2), keepdims=True) - low
    shades = 255 * (tiles - low) / np.where(span > 0, span, 1)
    return enlarged(shades.round().astype(np.uint8)[..., np.newaxis], side)


def filter_tiles(filters: Values, side: int) -> Pixels:
    """(n, height, width, 3) -> (n, side', side', 3): grey is a weight of 0, each filter by its own largest weight."""
    largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    colours = 127.5 + 127.5 * filters / np.where(largest > 0, largest, 1)
    return enlarged(colours.round().astype(np.uint8), side)


def unit_tiles(units: Values, side: int) -> Pixels:
    """(n,) -> (n, side, side, 1): a square for each unit, from black, the lowest of all, to white."""
    low, span = units.min(), units.max() - units.min()
    shades = (255 * (units - low) / (span or 1)).round().astype(np.uint8)
    return enlarged(shades.reshape(-1, 1, 1, 1), side)


def enlarged(tiles: Pixels, side: int) -> Pixels:
    """(n, height, width, channels): every value a square of so many pixels that the tile comes close to a side."""
    factor = max(1, side // max(tiles.shape[1:3]))
    return tiles.repeat(factor, axis=1).repeat(factor, axis=2)


def sheet(tiles: Pixels, columns: int) -> Pixels:
    """(n, height, width, channels) -> (rows, columns, channels + 1): side by side, with clear gaps between them."""
    count, height, width, channels = tiles.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    page = np.zeros((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels + 1), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (height + GAP) * (number // columns), (width + GAP) * (number % columns)
        page[top : top + height, left : left + width, :channels] = tile
        page[top : top + height, left : left + width, channels] = 255
    return page
