"""Looks inside a version while it answers one picture: its first filters, its maps layer by layer, its weights.

The network is called once. Every layer's `call` is replaced by one that hands what it computed on, so the layers of a
nested backbone are met in the order in which they work, like all others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.artifacts.h5 import load_network
from training.data.images import Pixels
from training.results.inspection_result import Drawing, FirstFilters, InspectedLayer, InspectionResult
from training.trainer.feature_maps import filter_tiles, histogram, map_tiles, sheet, strongest, unit_tiles

if TYPE_CHECKING:
    import keras

NUM_MAPS, MAP_SIDE, COLUMNS = 16, 96, 8  # of a chosen layer
NUM_MORE_MAPS, MORE_MAPS_SIDE = 8, 64  # of every other one
MAX_FILTERS, FILTER_SIDE = 64, 48
MAX_UNITS, UNIT_SIDE, UNIT_COLUMNS = 512, 12, 32
MAX_CHOSEN = 16
MAX_DRAWN = 300  # layers; a network has up to a thousand
CHANGES_NOTHING = re.compile("InputLayer|Rescaling|Normalization|Random.*|.*Dropout|Identity|ZeroPadding2D|Flatten")
MERGES = ("Add", "Concatenate")
NUM_COLOURS = 3
ANSWERED = 0.2  # share of the whole that is done when the network has answered

Keep = Callable[[str, Pixels], str]
Hear = Callable[["keras.layers.Layer", NDArray[np.float32]], None]


def network_of(h5: Path) -> keras.Model:
    """Opened without a GPU: one picture needs none, and memory taken here would be missed by trainings.

    Raises: BrokenArtifact.
    """
    import keras
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    return load_network(h5, keras.saving.load_model)


def inspect(
    network: keras.Model, pixels: Pixels, *, keep: Keep, advance: Callable[[float], object]
) -> tuple[InspectionResult, NDArray[np.float32]]:
    """Let a network answer one picture, draw it and say what is in it. The network is spoiled for other use.

    Args:
        pixels: (image_size, image_size, 3).
        keep: takes a drawing's name and pixels, and returns the name under which it is kept.
        advance: is told the share of 1 that is done.
    Returns: what was found, without scores, and the (num_classes,) probabilities as the network gave them.
    """
    heard: list[tuple[keras.layers.Layer, NDArray[np.float32]]] = []
    probabilities = listen(network, pixels, lambda layer, output: heard.append((layer, output)))
    advance(ANSWERED)
    layers = [inspected(layer, output) for layer, output in heard]
    chosen = chosen_layers(layers)
    drawn = thinned([number for number, each in enumerate(layers) if each.is_drawn], MAX_DRAWN)
    wanted = sorted({*drawn, *chosen})
    for done, number in enumerate(wanted):
        layers[number] = _with_drawing(layers[number], heard[number][1], number, number in chosen, keep)
        if done % 20 == 0:
            advance(ANSWERED + (1 - ANSWERED) * done / len(wanted))
    result = InspectionResult(
        image_size=len(pixels),
        input=_drawing("input", pixels, keep),
        filters=_filters(list(flattened(network)), keep),
        layers=layers,
        trainable=sum(each.trainable for each in layers),
        frozen=sum(each.frozen for each in layers),
    )
    return result, probabilities


def _filters(layers: list[keras.layers.Layer], keep: Keep) -> FirstFilters | None:
    """The first layer's; none where they cannot be shown as pictures."""
    found = first_filters(layers)
    if found is None:
        return None
    layer, filters = found
    order = np.arange(len(filters))
    if len(filters) > MAX_FILTERS:
        order = np.argsort(-np.square(filters).sum(axis=(1, 2, 3)), kind="stable")[:MAX_FILTERS]
    return FirstFilters(
        layer=layer.name,
        kind=type(layer).__name__,
        drawing=_drawing("filters", sheet(filter_tiles(filters[order], FILTER_SIDE), COLUMNS), keep),
        count=len(filters),
        shown=len(order),
        height=filters.shape[1],
        width=filters.shape[2],
    )


def _with_drawing(
    layer: InspectedLayer, output: NDArray[np.float32], number: int, is_chosen: bool, keep: Keep
) -> InspectedLayer:
    channels: list[int] = []
    if output.ndim == 1:
        tiles, columns = unit_tiles(output[:MAX_UNITS], UNIT_SIDE), UNIT_COLUMNS
    else:
        channels = strongest(output, NUM_MAPS if is_chosen else NUM_MORE_MAPS).tolist()
        tiles, columns = map_tiles(output[..., channels], MAP_SIDE if is_chosen else MORE_MAPS_SIDE), COLUMNS
    drawing = _drawing(f"layer-{number}", sheet(tiles, columns), keep)
    return replace(layer, is_chosen=is_chosen, channels=channels, drawing=drawing)


def _drawing(name: str, pixels: Pixels, keep: Keep) -> Drawing:
    return Drawing(keep(name, pixels), width=pixels.shape[1], height=pixels.shape[0])


# --- the network
def flattened(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Its layers, and in place of a nested network the layers of that."""
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield from flattened(layer)
        else:
            yield layer


def listen(network: keras.Model, pixels: Pixels, hear: Hear) -> NDArray[np.float32]:
    """Let a network answer (image_size, image_size, 3) pixels; `hear` gets what each layer computes, without the batch.

    Returns: (num_classes,) probabilities. The network is spoiled for other use.
    """

    def overheard(layer: keras.layers.Layer, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        output = call(*arguments, **options)
        hear(layer, np.asarray(output, np.float32)[0])
        return output

    for layer in flattened(network):
        layer.call = partial(overheard, layer, layer.call)
    answer = network(pixels[np.newaxis].astype(np.float32), training=False)
    return np.array(answer[0], np.float32)


def inspected(layer: keras.layers.Layer, output: NDArray[np.float32]) -> InspectedLayer:
    """Name, output shape, parameters and histograms of one layer."""
    weights = weights_of(layer)
    kind = type(layer).__name__
    return InspectedLayer(
        name=layer.name,
        kind=kind,
        shape=list(output.shape),
        trainable=sum(math.prod(each.shape) for each in layer.trainable_weights),
        frozen=sum(math.prod(each.shape) for each in layer.non_trainable_weights),
        weights=histogram(weights) if weights.size else None,
        activations=histogram(output),
        is_drawn=output.ndim in (1, 3) and not CHANGES_NOTHING.fullmatch(kind),
    )


def weights_of(layer: keras.layers.Layer) -> NDArray[np.float32]:
    """What a layer has learned, flat; the averages that batch normalisation keeps are left out, and biases too."""
    learned = [each for each in layer.weights if not each.name.startswith("moving_")]
    kernels = [each for each in learned if len(each.shape) > 1] or learned
    return np.concatenate([np.zeros(0, np.float32), *(np.asarray(each, np.float32).ravel() for each in kernels)])


def first_filters(layers: list[keras.layers.Layer]) -> tuple[keras.layers.Layer, NDArray[np.float32]] | None:
    """The first layer that looks at pixels, and its filters as (n, height, width, 3), what each wants to see in RGB.

    Fixed 1 x 1 convolutions before it, which make grey of colours or turn RGB to BGR, are reckoned in.
    """
    mixed = np.eye(3, dtype=np.float32)  # (RGB, channels)
    for layer in layers:
        kind, kernel = type(layer).__name__, next((each for each in layer.weights if each.name == "kernel"), None)
        if kernel is None or kind not in ("Conv2D", "Dense"):
            continue
        weights = np.asarray(kernel, np.float32)
        if kind == "Conv2D" and weights.shape[:2] == (1, 1) and not layer.trainable:
            mixed = mixed @ weights[0, 0]
            continue
        if kind == "Dense":
            side = math.isqrt(len(weights) // mixed.shape[1])
            if side * side * mixed.shape[1] != len(weights):
                return None
            weights = weights.reshape(side, side, mixed.shape[1], -1)
        if weights.shape[2] != mixed.shape[1]:
            return None
        return layer, np.einsum("rc,hwcn->nhwr", mixed, weights)
    return None


# --- which layers are shown first
def chosen_layers(layers: list[InspectedLayer]) -> set[int]:
    """Numbers of the layers that tell the story: all of a small network, the last of each block of a deep one."""
    with_maps = [number for number, each in enumerate(layers) if each.is_drawn and len(each.shape) == 3]
    if len(with_maps) <= MAX_CHOSEN:
        return set(with_maps)
    first = next((number for number in with_maps if layers[number].shape[-1] > NUM_COLOURS), with_maps[0])
    pairs = pairwise(with_maps)
    ends = [number for number, after in pairs if ends_block(layers[number], layers[after])]
    return set(thinned(sorted({first, *ends, with_maps[-1]}), MAX_CHOSEN))


def ends_block(layer: InspectedLayer, after: InspectedLayer) -> bool:
    """Whether a layer is the last of its block: by its name or, where names say nothing, because paths meet in it or
    the maps become smaller after it."""
    if after.kind in MERGES:  # the paths of this very block meet there
        return False
    block, following = block_of(layer.name), block_of(after.name)
    if block or following:
        return block != following
    return layer.kind in MERGES or after.shape[0] < layer.shape[0]


def block_of(name: str) -> str:
    """`conv2_block1_1_relu` is of conv2_block1, `block_3_expand` of block_3; empty where a name says nothing."""
    found = re.match(r".*?(?:block|stage|inception|mixed)_?\d+[a-z]?(?=_|$)", name)
    return found.group() if found else ""


def thinned(numbers: list[int], count: int) -> list[int]:
    """At most so many, evenly spread, with the first and the last."""
    if len(numbers) <= count:
        return numbers
    return [numbers[round(i * (len(numbers) - 1) / (count - 1))] for i in range(count)]
