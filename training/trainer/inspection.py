"""Looks inside a version while it answers one picture: its first filters, its maps layer by layer, its weights.

The network is called once. Every layer's `call` is replaced by one that hands what it computed on, so the layers of a
nested backbone are met in the order in which they work, like all others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training import storage
from training.artifacts.h5 import load_network
from training.data.images import Pixels, encoded_png, load_pixels
from training.errors import BrokenArtifact, UnreadablePicture
from training.messages import N_
from training.models import Job, ModelVersion
from training.outages import outlasting
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

Layer = dict[str, Any]  # what the page says of one
Drawing = dict[str, Any]  # its name in the job's folder, without the ending, and its size in pixels
Hear = Callable[["keras.layers.Layer", NDArray[np.float32]], None]


def inspection_job(job: Job) -> dict[str, Any]:
    """Look inside a job's version with its picture; what is drawn is kept in the job's folder.

    `params["file"]` names the picture in the store.

    Raises: BrokenArtifact, UnreadablePicture, LeaseLost.
    """
    version = job.version
    if version is None:
        raise BrokenArtifact(N_("The version has been deleted meanwhile."))
    version.files.check_h5()
    pixels = _pixels(job.params["file"], version.image_size)
    outlasting(lambda: job.advance(0.1))
    _leave_gpus_to_trainings()
    import keras

    network = load_network(version.files.h5, keras.saving.load_model)
    outlasting(lambda: job.advance(0.5))
    return Inspection(job, version, network).of(pixels)


def _pixels(file: str, image_size: int) -> Pixels:
    path = storage.local_path(file)
    if not path.is_file():
        raise UnreadablePicture(N_("The picture has been deleted meanwhile. Choose another one."))
    return load_pixels(path, image_size)


def _leave_gpus_to_trainings() -> None:
    """One picture needs none, and memory taken here would be missed there."""
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")


class Inspection:
    """Draws one network and says what is in it."""

    def __init__(self, job: Job, version: ModelVersion, network: keras.Model) -> None:
        self.job = job
        self.version = version
        self.network = network
        self.layers = list(flattened(network))

    def of(self, pixels: Pixels) -> dict[str, Any]:
        """What is kept in the job's row.

        Args:
            pixels: (image_size, image_size, 3).
        """
        heard: list[tuple[keras.layers.Layer, NDArray[np.float32]]] = []
        answer = listen(self.network, pixels, lambda layer, output: heard.append((layer, output)))
        facts = [facts_of(layer, output) for layer, output in heard]
        chosen = chosen_layers(facts)
        drawn = thinned([number for number, each in enumerate(facts) if each["is_drawn"]], MAX_DRAWN)
        for done, number in enumerate(sorted({*drawn, *chosen})):
            self._draw(facts[number], heard[number][1], number, is_chosen=number in chosen)
            if done % 20 == 0:
                self._advance(0.6 + 0.4 * done / len(drawn))
        return {
            "image_size": len(pixels),
            "input": self._keep("input", pixels),
            "scores": self._scores(answer),
            "filters": self._filters(),
            "layers": facts,
            "trainable": sum(each["trainable"] for each in facts),
            "frozen": sum(each["frozen"] for each in facts),
        }

    def _scores(self, probabilities: NDArray[np.float32]) -> list[dict[str, Any]]:
        """The classes by falling probability, calibrated as the site answers."""
        shares = self.version.calibrator.calibrated(probabilities)
        names = self.version.class_names
        return [{"label": names[i], "probability": float(shares[i])} for i in np.argsort(-shares, kind="stable")]

    def _filters(self) -> dict[str, Any]:
        """The first layer's; empty where they cannot be shown as pictures."""
        found = first_filters(self.layers)
        if found is None:
            return {}
        layer, filters = found
        order = np.arange(len(filters))
        if len(filters) > MAX_FILTERS:
            order = np.argsort(-np.square(filters).sum(axis=(1, 2, 3)), kind="stable")[:MAX_FILTERS]
        drawing = self._keep("filters", sheet(filter_tiles(filters[order], FILTER_SIDE), COLUMNS))
        return {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "drawing": drawing,
            "count": len(filters),
            "shown": len(order),
            "height": filters.shape[1],
            "width": filters.shape[2],
        }

    def _draw(self, facts: Layer, output: NDArray[np.float32], number: int, *, is_chosen: bool) -> None:
        facts["is_chosen"] = is_chosen
        if output.ndim == 1:
            tiles, columns = unit_tiles(output[:MAX_UNITS], UNIT_SIDE), UNIT_COLUMNS
        else:
            channels = strongest(output, NUM_MAPS if is_chosen else NUM_MORE_MAPS)
            tiles, columns = map_tiles(output[..., channels], MAP_SIDE if is_chosen else MORE_MAPS_SIDE), COLUMNS
            facts["channels"] = channels.tolist()
        facts["drawing"] = self._keep(f"layer-{number}", sheet(tiles, columns))

    def _keep(self, name: str, pixels: Pixels) -> Drawing:
        """Store a drawing under a name of this attempt's own."""
        name = f"{self.job.lease}-{name}"
        storage.keep_bytes(encoded_png(pixels), f"{self.job.folder}/{name}.png")
        return {"name": name, "width": pixels.shape[1], "height": pixels.shape[0]}

    def _advance(self, progress: float) -> None:
        outlasting(lambda: self.job.advance(progress))


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


def facts_of(layer: keras.layers.Layer, output: NDArray[np.float32]) -> Layer:
    """Name, output shape, parameters and histograms of one layer."""
    weights = weights_of(layer)
    kind = type(layer).__name__
    return {
        "name": layer.name,
        "kind": kind,
        "shape": list(output.shape),
        "trainable": sum(math.prod(each.shape) for each in layer.trainable_weights),
        "frozen": sum(math.prod(each.shape) for each in layer.non_trainable_weights),
        "weights": histogram(weights) if weights.size else None,
        "activations": histogram(output),
        "is_drawn": output.ndim in (1, 3) and not CHANGES_NOTHING.fullmatch(kind),
        "is_chosen": False,
        "drawing": None,
    }


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
def chosen_layers(layers: list[Layer]) -> set[int]:
    """Numbers of the layers that tell the story: all of a small network, the last of each block of a deep one."""
    with_maps = [number for number, each in enumerate(layers) if each["is_drawn"] and len(each["shape"]) == 3]
    if len(with_maps) <= MAX_CHOSEN:
        return set(with_maps)
    first = next((number for number in with_maps if layers[number]["shape"][-1] > NUM_COLOURS), with_maps[0])
    pairs = pairwise(with_maps)
    ends = [number for number, after in pairs if ends_block(layers[number], layers[after])]
    return set(thinned(sorted({first, *ends, with_maps[-1]}), MAX_CHOSEN))


def ends_block(layer: Layer, after: Layer) -> bool:
    """Whether a layer is the last of its block: by its name or, where names say nothing, because paths meet in it or
    the maps become smaller after it."""
    if after["kind"] in MERGES:  # the paths of this very block meet there
        return False
    block, following = block_of(layer["name"]), block_of(after["name"])
    if block or following:
        return block != following
    return layer["kind"] in MERGES or after["shape"][0] < layer["shape"][0]


def block_of(name: str) -> str:
    """`conv2_block1_1_relu` is of conv2_block1, `block_3_expand` of block_3; empty where a name says nothing."""
    found = re.match(r".*?(?:block|stage|inception|mixed)_?\d+[a-z]?(?=_|$)", name)
    return found.group() if found else ""


def thinned(numbers: list[int], count: int) -> list[int]:
    """At most so many, evenly spread, with the first and the last."""
    if len(numbers) <= count:
        return numbers
    return [numbers[round(i * (len(numbers) - 1) / (count - 1))] for i in range(count)]
