"""The serving model: what the site answers from. The trainer makes it of the network, and believes it only then.

Nothing here imports Keras; the web process reads with it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.artifacts.files import unopenable
from training.artifacts.h5 import PredictFn

if TYPE_CHECKING:
    import openvino as ov

OUTPUTS = ("probabilities", "feature_maps", "features")  # the mlp has no feature maps

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class ServingModel:
    """A written serving model and the largest difference of a probability seen between it and the H5."""

    paths: tuple[Path, Path]  # structure, weights
    sha256: str  # over both files
    max_difference: float
    pictures_compared: int


def open_serving_model(structure: bytes, weights: bytes, *, streams: int = 1, name: str = "serving model") -> PredictFn:
    """Compile a serving model from the bytes of its files, so that nothing changes between their check and their use.

    Args:
        streams: how many threads may answer at once, each on a core of its own.
        name: of the files, for the sentence that is said where they will not open.
    Raises: BrokenArtifact if OpenVINO cannot make a network of them.
    """
    import openvino as ov

    try:
        answer = compiled(ov.Core().read_model(model=structure, weights=weights), "probabilities", streams)
    except RuntimeError as error:
        raise unopenable(name, error) from error
    return answer


def compiled(model: ov.Model, output: str, streams: int) -> PredictFn:
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
