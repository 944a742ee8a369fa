"""The serving twin: what the site answers from. Made from the network, and believed only after it answers alike.

The reading half needs no Keras; the web process uses it.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.artifacts.h5 import TWIN_NAMES, Network, sha256_of, sync, unopenable
from training.errors import TwinDiffers
from training.messages import N_

if TYPE_CHECKING:
    import keras
    import openvino as ov

MAX_DIFFERENCE = 1e-4  # of a probability, between the H5 and its twin
OUTPUTS = ("probabilities", "feature_maps", "features")  # the mlp has no feature maps
PROBE_BYTES = 1 << 20

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Twin:
    """A written twin and the largest difference of a probability seen between it and the H5."""

    paths: tuple[Path, Path]  # structure, weights
    sha256: str  # over both files
    max_difference: float
    pictures_compared: int


def open_twin(structure: bytes, weights: bytes, *, streams: int = 1) -> Network:
    """Compile a twin from the bytes of its two files, so that nothing can change between a check of them and their use.

    Args:
        streams: how many threads may answer at once, each on a core of its own.
    Raises: BrokenArtifact if OpenVINO cannot make a network of them.
    """
    import openvino as ov

    try:
        answer = compiled(ov.Core().read_model(model=structure, weights=weights), "probabilities", streams)
    except RuntimeError as error:
        raise unopenable(" + ".join(TWIN_NAMES), error) from error
    return answer


def compiled(model: ov.Model, output: str, streams: int) -> Network:
    """(1, image_size, image_size, 3) pixels in 0-255 -> what one output says of them, without its first axis.

    Args:
        streams: how many threads may ask at once, each on a core of its own.
    """
    import openvino as ov

    _meet_numpy()
    # One stream of one thread a core: measured, the most answers a second. Without the hint it would be bfloat16.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
    network = ov.Core().compile_model(model, "CPU", settings)
    requests = threading.local()  # an infer request serves one thread at a time

    def answer(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        if not hasattr(requests, "mine"):
            requests.mine = network.create_infer_request()
        outputs: Any = requests.mine.infer([pixels])
        return np.array(outputs[output][0])  # a copy: the request's memory is used again

    return answer


def _meet_numpy() -> None:
    """Let OpenVINO look NumPy up, in one thread.

    It does so at the first array it hands out. Where two threads ask for that one at once, each waits for what the
    other holds, Python's own lock among it, and the process hangs: seen with 2026.4 in 1 of 6 starts of two threads.
    """
    import openvino as ov

    with _one_at_a_time:
        _ = ov.Tensor(np.zeros(1, np.float32)).data


def make_twin(
    network: keras.Model,
    folder: Path,
    pixels: NDArray[np.uint8],
    expected: NDArray[np.float32],
    *,
    body: ov.Model | None = None,
) -> Twin:
    """Write twin.xml and twin.bin into a folder and check them against what the H5 answered.

    Args:
        network: the H5's, without augmentation; OpenVINO knows no random layers.
        pixels: (n, image_size, image_size, 3) held-out pictures, n at least 1.
        expected: (n, num_classes) probabilities that the H5 gives them.
        body: all of the network but its last layer, where it has been converted already: that takes seconds.
    Raises:
        TwinDiffers: any probability differs by more than MAX_DIFFERENCE.
        OSError: with the folder's name, also where the disk is full; then nothing is left behind.
    """
    import openvino as ov

    paths = (folder / TWIN_NAMES[0], folder / TWIN_NAMES[1])
    with tempfile.TemporaryDirectory(dir=folder) as temporary, _full_disk_named(Path(temporary)):
        model = with_last_layer(body, network) if body else _convert(network, Path(temporary) / "saved_model")
        ov.save_model(model, Path(temporary) / TWIN_NAMES[0], compress_to_fp16=False)
        for path in reversed(paths):  # the structure last: with it the twin is whole
            sync(Path(temporary) / path.name)
            (Path(temporary) / path.name).replace(path)
    sync(folder)
    difference = _largest_difference(paths, pixels, expected)
    if not difference <= MAX_DIFFERENCE:  # also where it is not a number
        raise TwinDiffers(
            N_("The serving twin differs from the H5 by %(difference)g; at most %(limit)g is allowed."),
            difference=difference,
            limit=MAX_DIFFERENCE,
        )
    return Twin(paths, sha256_of(*paths), difference, len(pixels))


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
    import keras

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
    import keras
    import openvino as ov

    network.export(
        folder,
        format="tf_saved_model",
        verbose=False,
        input_signature=[keras.InputSpec(shape=(1, *network.input_shape[1:]), dtype="float32", name="pixels")],
    )
    return ov.convert_model(folder)


def _largest_difference(paths: tuple[Path, Path], pixels: NDArray[np.uint8], expected: NDArray[np.float32]) -> float:
    network = open_twin(*(path.read_bytes() for path in paths))
    answers = np.stack([network(each[np.newaxis]) for each in pixels.astype(np.float32)])
    return float(np.abs(answers - expected).max())
