from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.results.inspection_result import InspectedLayer
from training.trainer import inspection
from training.trainer.inspection import block_of, chosen_layers, first_filters, thinned

Numbers = np.ndarray[Any, Any]


class Weight(np.ndarray):
    name = "kernel"


class Conv2D:
    """As much of a Keras layer as is asked for filters."""

    def __init__(self, kernel: Numbers, *, trainable: bool = True) -> None:
        self.weights = [np.asarray(kernel, np.float32).view(Weight)]
        self.trainable = trainable


class Dense(Conv2D): ...


class BatchNormalization:
    weights = (SimpleNamespace(name="gamma"),)


def filters_of(*layers: Any) -> tuple[Any, Numbers]:
    found = first_filters(list(layers))
    assert found
    return found


def drawn(name: str, kind: str, shape: tuple[int, ...] = (8, 8, 4)) -> InspectedLayer:
    return InspectedLayer(name, kind, list(shape), trainable=0, frozen=0, is_drawn=True)


def drawn_layers(*layers: tuple[str, str]) -> list[InspectedLayer]:
    return [drawn(name, kind) for name, kind in layers]


def names_of_chosen(layers: list[InspectedLayer]) -> list[str]:
    return [layers[number].name for number in sorted(chosen_layers(layers))]


# --- the first filters


def test_filters_of_a_convolution_over_rgb_are_shown_as_they_are() -> None:
    kernel = np.arange(2 * 2 * 3 * 4).reshape(2, 2, 3, 4)

    layer, filters = filters_of(BatchNormalization(), Conv2D(kernel), Dense(np.ones((4, 2))))

    assert isinstance(layer, Conv2D)
    assert filters.tolist() == np.moveaxis(kernel, -1, 0).tolist()


def test_a_fixed_change_of_colours_before_them_is_reckoned_in() -> None:
    to_bgr = Conv2D(np.eye(3)[::-1].reshape(1, 1, 3, 3), trainable=False)
    looks_at_blue = Conv2D(np.array([1, 0, 0]).reshape(1, 1, 3, 1))  # the first channel of BGR

    _, filters = filters_of(to_bgr, looks_at_blue)

    assert filters[0, 0, 0].tolist() == [0, 0, 1]


def test_units_that_look_at_all_pixels_are_shown_as_pictures() -> None:
    weights = np.arange(2 * 2 * 3 * 5).reshape(12, 5)

    _, filters = filters_of(Dense(weights))

    assert filters.shape == (5, 2, 2, 3)
    assert filters[0, 0, 1].tolist() == weights[3:6, 0].tolist()  # the second pixel's red, green and blue


@pytest.mark.parametrize("layers", [[], [Dense(np.ones((7, 2)))], [Conv2D(np.ones((3, 3, 5, 2)))]])
def test_what_is_no_picture_is_not_shown_as_one(layers: list[Any]) -> None:
    assert first_filters(layers) is None


# --- which layers come first


def test_a_small_network_is_shown_whole() -> None:
    layers = drawn_layers(("conv2d", "Conv2D"), ("re_lu", "ReLU"), ("max_pooling2d", "MaxPooling2D"))

    assert names_of_chosen(layers) == ["conv2d", "re_lu", "max_pooling2d"]


def test_of_a_deep_network_the_last_layer_of_each_block_is_shown() -> None:
    blocks = [(f"block_{block}_{part}", "Conv2D") for block in (1, 2, 3) for part in "abcdefgh"]
    layers = drawn_layers(("stem", "Conv2D"), ("stem_bn", "BatchNormalization"), *blocks)

    assert names_of_chosen(layers) == ["stem", "stem_bn", "block_1_h", "block_2_h", "block_3_h"]


def test_where_names_say_nothing_a_block_ends_where_paths_meet() -> None:
    layers = drawn_layers(*[(f"layer{n}", "Concatenate" if n % 10 == 9 else "Conv2D") for n in range(31)])

    assert names_of_chosen(layers) == ["layer0", "layer9", "layer19", "layer29", "layer30"]


def test_where_only_the_ends_of_blocks_have_names_they_are_shown() -> None:
    ends = {9: ("inception_9a", "Concatenate"), 19: ("inception_19a", "Concatenate")}
    layers = drawn_layers(*[ends.get(n, (f"x{n}", "Conv2D")) for n in range(20)])

    assert names_of_chosen(layers) == ["x0", "inception_9a", "inception_19a"]


def test_the_last_layer_before_maps_become_smaller_is_shown() -> None:
    layers = [drawn(f"layer{n}", "Conv2D", (8, 8, 4) if n < 12 else (4, 4, 4)) for n in range(20)]

    assert names_of_chosen(layers) == ["layer0", "layer11", "layer19"]


def test_a_change_of_colours_is_not_the_first_to_be_shown() -> None:
    layers = [drawn("caffe_pixels", "Conv2D", (8, 8, 3)), *[drawn(f"layer{n}", "Conv2D") for n in range(20)]]

    assert names_of_chosen(layers) == ["layer0", "layer19"]


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("conv2_block1_1_relu", "conv2_block1"),
        ("block_13_expand_BN", "block_13"),
        ("block6d_se_reduce", "block6d"),
        ("mixed7", "mixed7"),
        ("out_relu", ""),
    ],
)
def test_a_layers_name_says_its_block(name: str, block: str) -> None:
    assert block_of(name) == block


def test_too_many_are_thinned_evenly_with_the_first_and_the_last() -> None:
    assert thinned(list(range(9)), 3) == [0, 4, 8]
    assert thinned([1, 2], 3) == [1, 2]


@pytest.mark.parametrize(("kind", "is_shown"), [("RandomFlip", False), ("Dropout", False), ("Conv2D", True)])
def test_a_layer_that_changes_nothing_is_not_drawn(kind: str, is_shown: bool) -> None:
    assert bool(inspection.CHANGES_NOTHING.fullmatch(kind)) is not is_shown
