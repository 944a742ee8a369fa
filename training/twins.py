"""The serving twin: what the site answers from. Made from the network, and believed only after it answers alike."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from training.artifact import TWIN_NAMES, sha256_of, sync
from training.errors import N_, TwinDiffers

MAX_DIFFERENCE = 1e-4  # of a probability, between the H5 and its twin
OUTPUTS = ("probabilities", "feature_maps", "features")  # the mlp has no feature maps


@dataclass(frozen=True)
class Twin:
    """A written twin and the largest difference of a probability seen between it and the H5."""

    paths: tuple[Path, Path]  # structure, weights
    sha256: str  # over both files
    max_difference: float
    pictures_compared: int


def make_twin(network: keras.Model, folder: Path, pixels: NDArray[np.uint8], expected: NDArray[np.float32]) -> Twin:
    """Write twin.xml and twin.bin into a folder and check them against what the H5 answered.

    Args:
        network: the H5's, without augmentation; OpenVINO knows no random layers.
        pixels: (n, image_size, image_size, 3) held-out pictures, n at least 1.
        expected: (n, num_classes) probabilities that the H5 gives them.
    Raises: TwinDiffers if any probability differs by more than MAX_DIFFERENCE.
    """
    model = _convert(network)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        ov.save_model(model, Path(temporary) / TWIN_NAMES[0], compress_to_fp16=False)
        for name in reversed(TWIN_NAMES):  # the structure last: with it the twin is whole
            sync(Path(temporary) / name)
            (Path(temporary) / name).replace(folder / name)
    sync(folder)
    paths = (folder / TWIN_NAMES[0], folder / TWIN_NAMES[1])
    difference = _largest_difference(paths[0], pixels, expected)
    if not difference <= MAX_DIFFERENCE:  # also where it is not a number
        raise TwinDiffers(
            N_("The serving twin differs from the H5 by %(difference)g; at most %(limit)g is allowed."),
            difference=difference,
            limit=MAX_DIFFERENCE,
        )
    return Twin(paths, sha256_of(*paths), difference, len(pixels))


def _convert(network: keras.Model) -> ov.Model:
    """Through a SavedModel: converted from memory, some networks keep dead nodes and run at half the speed. A fixed
    batch of one runs faster than a dynamic one."""
    names = {layer.name for layer in network.layers}
    outputs = {name: network.get_layer(name).output for name in OUTPUTS if name in names}
    answering = keras.Model(network.inputs[0], outputs)
    with tempfile.TemporaryDirectory() as folder:
        answering.export(
            folder,
            format="tf_saved_model",
            verbose=False,
            input_signature=[keras.InputSpec(shape=(1, *network.input_shape[1:]), dtype="float32", name="pixels")],
        )
        model = ov.convert_model(folder)
    return model


def _largest_difference(path: Path, pixels: NDArray[np.uint8], expected: NDArray[np.float32]) -> float:
    compiled = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answers = np.stack([compiled(each[np.newaxis])["probabilities"][0] for each in pixels.astype(np.float32)])
    return float(np.abs(answers - expected).max())
