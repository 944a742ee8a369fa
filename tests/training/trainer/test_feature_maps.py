from __future__ import annotations

import io

import numpy as np
from PIL import Image

from training.data.images import encoded_png
from training.trainer.feature_maps import enlarged, filter_tiles, histogram, map_tiles, sheet, strongest, unit_tiles


def test_a_histogram_counts_every_value_and_says_how_many_are_zero() -> None:
    found = histogram(np.array([0, 0, 1, 2], np.float32))

    assert (found.low, found.high, found.mean, found.zeros) == (0, 2, 0.75, 0.5)
    assert (sum(found.counts), found.counts[0], found.counts[-1]) == (4, 2, 1)


def test_values_that_are_all_the_same_have_a_histogram_too() -> None:
    assert sum(histogram(np.full(5, 3.0)).counts) == 5


def test_the_strongest_channels_come_first() -> None:
    maps = np.zeros((2, 2, 3))
    maps[..., 0], maps[0, 0, 1], maps[..., 2] = 1, 1, -2

    assert strongest(maps, 2).tolist() == [2, 0]


def test_each_map_goes_from_black_to_white_by_itself() -> None:
    maps = np.stack([[[0.0, 1.0]], [[0.0, 100.0]], [[7.0, 7.0]]], axis=-1)  # (1, 2, 3)

    tiles = map_tiles(maps, 2)

    assert tiles[..., 0].tolist() == [[[0, 255]], [[0, 255]], [[0, 0]]]


def test_a_map_larger_than_a_tile_is_thinned_out() -> None:
    assert map_tiles(np.zeros((300, 300, 1)), 96).shape == (1, 100, 100, 1)


def test_a_weight_of_zero_is_grey_and_the_largest_is_full_colour() -> None:
    filters = np.array([[[[0.0, 2.0, -2.0]]], [[[0.0, 0.0, 0.0]]]])

    assert filter_tiles(filters, 1)[:, 0, 0].tolist() == [[128, 255, 0], [128, 128, 128]]


def test_units_share_one_scale() -> None:
    assert unit_tiles(np.array([-1.0, 0.0, 1.0]), 1)[:, 0, 0, 0].tolist() == [0, 128, 255]


def test_a_small_tile_is_enlarged_by_repeating_its_values() -> None:
    tile = np.array([[1, 2], [3, 4]], np.uint8).reshape(1, 2, 2, 1)

    assert enlarged(tile, 5)[0, ..., 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_tiles_lie_side_by_side_with_clear_gaps() -> None:
    page = sheet(np.full((3, 4, 4, 1), 9, np.uint8), 2)

    assert page.shape == (10, 10, 2)
    assert page[0, 0].tolist() == [9, 255]
    assert page[4, 0].tolist() == page[6, 6].tolist() == [0, 0]


def test_what_was_drawn_is_a_png_with_opacity() -> None:
    page = sheet(np.full((1, 4, 4, 3), 9, np.uint8), 1)

    picture = Image.open(io.BytesIO(encoded_png(page)))

    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (4, 4))
