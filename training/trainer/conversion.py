"""A Keras network made into the serving model that the site answers from, and held against it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from numpy.typing import NDArray

from training.artifacts.files import sha256_of, sync
from training.artifacts.serving_model import OUTPUTS, ServingModel, open_serving_model
from training.artifacts.version_files import SERVING_MODEL_NAMES
from training.errors import ServingModelDiffers
from training.messages import N_

if TYPE_CHECKING:
    import openvino as ov

MAX_DIFFERENCE = 1e-4  # of a probability, between the H5 and its serving model
PROBE_BYTES = 1 << 20


def make_serving_model(
    network: keras.Model,
    folder: Path,
    pixels: NDArray[np.uint8],
    expected: NDArray[np.float32],
    *,
    body: ov.Model | None = None,
) -> ServingModel:
    """Write the two files of a serving model into a folder and check them against what the H5 answered.

    Args:
        network: the H5's, without augmentation; OpenVINO knows no random layers.
        pixels: (n, image_size, image_size, 3) held-out pictures, n at least 1.
        expected: (n, num_classes) probabilities that the H5 gives them.
        body: all of the network but its last layer, where it has been converted already: that takes seconds.
    Raises:
        ServingModelDiffers: any probability differs by more than MAX_DIFFERENCE.
        OSError: with the folder's name, also where the disk is full; then nothing is left behind.
    """
    import openvino as ov

    paths = (folder / SERVING_MODEL_NAMES[0], folder / SERVING_MODEL_NAMES[1])
    with tempfile.TemporaryDirectory(dir=folder) as temporary, _full_disk_named(Path(temporary)):
        model = with_last_layer(body, network) if body else _convert(network, Path(temporary) / "saved_model")
        ov.save_model(model, Path(temporary) / SERVING_MODEL_NAMES[0], compress_to_fp16=False)
        for path in reversed(paths):  # the structure last: with it the serving model is whole
            sync(Path(temporary) / path.name)
            (Path(temporary) / path.name).replace(path)
    sync(folder)
    difference = _largest_difference(paths, pixels, expected)
    if not difference <= MAX_DIFFERENCE:  # also where it is not a number
        raise ServingModelDiffers(
            N_("The copy that answers differs from the H5 by %(difference)g; at most %(limit)g is allowed."),
            difference=difference,
            limit=MAX_DIFFERENCE,
        )
    return ServingModel(paths, sha256_of(*paths), difference, len(pixels))


@contextmanager
def _full_disk_named(folder: Path) -> Iterator[None]:
    """TensorFlow calls a full disk exhausted memory and OpenVINO an iostream error; a file of Python's own says it.

    Raises: OSError naming the folder, if that is why the block failed.
    """
    try:
        yield
    except Exception:
        try:
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(bytes(PROBE_BYTES))
                os.fsync(probe.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(folder.parent)) from error
        raise


def _convert(network: keras.Model, folder: Path) -> ov.Model:
    names = {layer.name for layer in network.layers}
    outputs = {name: network.get_layer(name).output for name in OUTPUTS if name in names}
    return converted(keras.Model(network.inputs[0], outputs), folder)


def with_last_layer(body: ov.Model, network: keras.Model) -> ov.Model:
    """A whole network of its converted body and of the last layer as it is in Keras.

    Args:
        body: with the output `features`, (1, n), and perhaps `feature_maps`.
    """
    import openvino as ov
    from openvino import opset13 as operations

    kernel, bias = network.get_layer("probabilities").get_weights()
    seen = body.output("features").get_node().input_value(0)
    logits = operations.add(operations.matmul(seen, kernel, False, False), bias)
    probabilities = operations.softmax(logits, axis=1).output(0)
    probabilities.set_names({"probabilities"})
    outputs = [body.output(name) for name in OUTPUTS if name in _names_of(body)]
    return ov.Model([probabilities, *outputs], body.get_parameters())


def _names_of(model: ov.Model) -> set[str]:
    return {name for output in model.outputs for name in output.names}


def converted(network: keras.Model, folder: Path) -> ov.Model:
    """A network with named outputs for OpenVINO, one picture at a time.

    Through a SavedModel: converted from memory, some networks keep dead nodes and run at half the speed. A fixed batch
    of one runs faster than a dynamic one.

    Args:
        folder: does not exist yet; the SavedModel is left there.
    """
    import openvino as ov

    network.export(
        folder,
        format="tf_saved_model",
        verbose=False,
        input_signature=[keras.InputSpec(shape=(1, *network.input_shape[1:]), dtype="float32", name="pixels")],
    )
    return ov.convert_model(folder)


def _largest_difference(paths: tuple[Path, Path], pixels: NDArray[np.uint8], expected: NDArray[np.float32]) -> float:
    network = open_serving_model(*(path.read_bytes() for path in paths))
    answers = np.stack([network(each[np.newaxis]) for each in pixels.astype(np.float32)])
    return float(np.abs(answers - expected).max())
