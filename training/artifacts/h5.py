"""What one of our H5 files holds beside its weights, how it is written, and how it is checked before use.

Nothing here imports Keras; the web process reads with it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.artifacts.files import unopenable, written_whole
from training.artifacts.h5_contents import WEIGHTS, Refused, check_contents, layer_classes
from training.errors import BrokenArtifact
from training.messages import N_

GROUP = "discern"  # our HDF5 group, beside Keras's own
GOLDEN_TOLERANCE = 1e-4  # of a probability

PredictFn = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, image_size, image_size, 3) pixels in 0-255 -> (num_classes,) probabilities."""

# Every layer class that our builders use. A file with any other was not written by us.
ALLOWED_LAYERS = frozenset(
    """
    Functional Sequential InputLayer Rescaling Normalization Flatten Reshape Dense Dropout Identity Activation ReLU
    Conv2D DepthwiseConv2D SeparableConv2D ZeroPadding2D Cropping2D Add Multiply Concatenate
    BatchNormalization LayerNormalization MaxPooling2D AveragePooling2D GlobalAveragePooling2D
    RandomFlip RandomRotation RandomZoom RandomTranslation RandomShear RandomContrast RandomBrightness RandomInvert
    RandomHue RandomSaturation RandomGaussianBlur RandomErasing
    """.split()
)


@dataclass(frozen=True)
class Provenance:
    """Where an H5 comes from; kept in it as HDF5 attributes."""

    recognizer: str
    class_names: list[str]  # in label order
    config: dict[str, Any]
    manifest_sha256: str
    keras_version: str
    trained_at: str  # ISO 8601, UTC
    temperature: float = 1.0  # divides the logits; 1 leaves the probabilities as they are
    environment: dict[str, Any] = field(default_factory=dict)  # of training.environment; empty in older files

    @property
    def image_size(self) -> int:
        return int(self.config["image_size"])


@dataclass(frozen=True)
class H5:
    """A written H5 file."""

    path: Path
    sha256: str


class Golden(NamedTuple):
    """The H5's own test."""

    pixels: NDArray[np.uint8]  # (image_size, image_size, 3)
    probabilities: NDArray[np.float32]  # (num_classes,) that they must get

    def check(self, predict: PredictFn, file: str) -> None:
        """Raises: BrokenArtifact naming the file that the function was opened from, if it answers anything else."""
        try:
            answer = predict(self.pixels[np.newaxis].astype(np.float32))
        except (RuntimeError, KeyError, ValueError, TypeError) as error:  # of another shape, or without our output
            raise unopenable(file, error) from error
        expected = self.probabilities
        if answer.shape != expected.shape or not np.allclose(answer, expected, rtol=0, atol=GOLDEN_TOLERANCE):
            raise BrokenArtifact(
                N_("%(file)s answers the picture kept with it otherwise than when it was written. Train again."),
                file=file,
            )


def write_h5(network: Any, path: Path, provenance: Provenance, *, golden_input: NDArray[np.uint8]) -> H5:
    """Write one whole H5: network, weights, provenance, and one picture with the answer it must get.

    Args:
        network: the keras.Model.
        golden_input: (image_size, image_size, 3) pixels.
    Raises: OSError with the file's name, also where the disk is full; then nothing is left behind.
    """
    data = _h5_bytes(network, provenance, golden_input)
    with written_whole(path) as file:
        file.write(data)
    return H5(path, hashlib.sha256(data).hexdigest())


def _h5_bytes(network: Any, provenance: Provenance, golden_input: NDArray[np.uint8]) -> bytes:
    """Made in memory: on a full disk HDF5 may end the whole process by a segmentation fault."""
    import h5py

    class NamedInMemory(h5py.File):  # type: ignore[misc]
        def __str__(self) -> str:
            return "network.h5"  # Keras goes by the ending

    buffer = io.BytesIO()
    with NamedInMemory(buffer, "w") as file:
        network.save(file, include_optimizer=False)
        group = file.create_group(GROUP)
        for name, value in asdict(provenance).items():
            group.attrs[name] = value if isinstance(value, str | float) else json.dumps(value, ensure_ascii=False)
        answer = network(golden_input[np.newaxis].astype(np.float32), training=False)
        group.create_dataset("golden_input", data=golden_input, compression="gzip")
        group.create_dataset("golden_output", data=np.asarray(answer)[0])
    return buffer.getvalue()


def read_provenance(path: Path) -> Provenance:
    """What an H5 of ours says of itself. Raises: BrokenArtifact if it is none of ours."""
    with _opened(path) as file:
        kept = dict(file[GROUP].attrs)
        written = {name: json.loads(kept[name]) for name in ("class_names", "config", "environment") if name in kept}
        provenance = Provenance(**{**kept, **written, "temperature": float(kept["temperature"])})
        _check_provenance(provenance)
    return provenance


def _check_provenance(provenance: Provenance) -> None:
    """Raises: Refused, or what a value of another type raises."""
    names = provenance.class_names
    texts = (provenance.recognizer, provenance.manifest_sha256, provenance.keras_version, provenance.trained_at)
    if not (isinstance(names, list) and names and all(isinstance(each, str) for each in (*names, *texts))):
        raise Refused("a text is none")
    if provenance.image_size <= 0 or not 0 < provenance.temperature < float("inf"):
        raise Refused("a number is out of range")


def read_golden(path: Path) -> Golden:
    """The picture that an H5 keeps, with its answer. Raises: BrokenArtifact if it is none of ours."""
    with _opened(path) as file:
        pixels, probabilities = file[GROUP]["golden_input"], file[GROUP]["golden_output"]
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise Refused("its picture is none")
        if probabilities.ndim != 1 or probabilities.dtype.kind != "f":
            raise Refused("the answer to its picture is none")
        return Golden(pixels[()], probabilities[()])


def load_network(path: Path, load_model: Callable[..., Any]) -> Any:
    """Open one of our H5 files with Keras: only known layer classes, and only if it still gives its golden answer.

    Args:
        load_model: `keras.saving.load_model`, from whoever has Keras loaded.
    Returns: the keras.Model.
    Raises: BrokenArtifact.
    """
    check_layers(path)
    golden = read_golden(path)
    with _translated(path):
        network = load_model(path, compile=False)
        golden.check(lambda pixels: np.asarray(network(pixels, training=False))[0], path.name)
    return network


def check_layers(path: Path) -> None:
    """Refuse a layer class that no builder of ours uses, or a layer larger than its weights, before Keras builds any.

    An input is no larger than the picture that the file keeps.

    Raises: BrokenArtifact.
    """
    with _opened(path) as file:
        text = file.attrs["model_config"]
        weights = {name: _sides(group) for name, group in file[WEIGHTS].items()}
        input_side = max(file[GROUP]["golden_input"].shape)
        strangers = sorted(set(layer_classes(json.loads(text), weights, input_side)) - ALLOWED_LAYERS)
        if strangers:
            raise Refused(f"layers {', '.join(strangers)}")


def _sides(group: Any) -> set[int]:
    """The sides of all weights in a group."""
    sides: set[int] = set()
    group.visititems(lambda _, found: sides.update(getattr(found, "shape", None) or ()))
    return sides


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An H5 whose contents are no larger than the file. Raises: BrokenArtifact, whatever goes wrong with a bad file."""
    import h5py

    with _translated(path), h5py.File(path, "r") as file:
        check_contents(file, path.stat().st_size)
        yield file


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Too little memory is not the file's fault; all else that h5py, json and Keras raise on a bad one is."""
    try:
        yield
    except BrokenArtifact:
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":  # TensorFlow's
            raise
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise _not_ours(path, said[0][:300]) from error


def _not_ours(path: Path, reason: str) -> BrokenArtifact:
    return BrokenArtifact(N_("%(file)s is not an H5 that this site wrote (%(reason)s)."), file=path.name, reason=reason)
