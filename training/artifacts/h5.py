"""What one of our H5 files holds beside its weights, how it is written, and how it is checked before use.

The reading half needs no Keras; the web process uses it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig
from training.environment import environment_of
from training.errors import BrokenArtifact
from training.evaluation.metrics import Evaluation
from training.evaluation.predictions import Answers
from training.messages import N_

if TYPE_CHECKING:
    import keras

    from training.artifacts.serving_model import Twin
    from training.data.manifest import Manifest
    from training.devices import Device

H5_NAME = "network.h5"
TWIN_NAMES = ("twin.xml", "twin.bin")
GROUP = "discern"  # our HDF5 group, beside Keras's own
GOLDEN_TOLERANCE = 1e-4  # of a probability

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
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

    @classmethod
    def of(cls, recognizer: str, manifest: Manifest, config: TrainingConfig, device: Device | None = None) -> Self:
        from keras import __version__ as keras_version

        now = datetime.now(UTC).isoformat(timespec="seconds")
        names = manifest.class_names
        environment = environment_of(device) if device else {}
        return cls(recognizer, names, config.to_dict(), manifest.sha256, keras_version, now, environment=environment)

    @property
    def image_size(self) -> int:
        return int(self.config["image_size"])


@dataclass(frozen=True)
class H5:
    """A written H5 file."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Artifact:
    """All that a finished run leaves behind."""

    h5: H5
    twin: Twin
    evaluation: Evaluation
    temperature: float
    answers: Answers
    num_weights: int


class Golden(NamedTuple):
    """The H5's own test."""

    pixels: NDArray[np.uint8]  # (image_size, image_size, 3)
    probabilities: NDArray[np.float32]  # (num_classes,) that they must get

    def check(self, network: Network, file: str) -> None:
        """Raises: BrokenArtifact naming the file that the network was opened from, if it answers anything else."""
        try:
            answer = network(self.pixels[np.newaxis].astype(np.float32))
        except (RuntimeError, KeyError) as error:  # OpenVINO's, of another shape or without our output
            raise unopenable(file, error) from error
        expected = self.probabilities
        if answer.shape != expected.shape or not np.allclose(answer, expected, rtol=0, atol=GOLDEN_TOLERANCE):
            raise BrokenArtifact(
                N_("%(file)s answers its own test picture otherwise than when it was written. Train again."), file=file
            )


def write_h5(network: keras.Model, path: Path, provenance: Provenance, *, golden_input: NDArray[np.uint8]) -> H5:
    """Write one whole H5: network, weights, provenance, and one picture with the answer it must get.

    Args:
        golden_input: (image_size, image_size, 3) pixels.
    Raises: OSError with the file's name, also where the disk is full; then nothing is left behind.
    """
    data = _h5_bytes(network, provenance, golden_input)
    with written_whole(path) as file:
        file.write(data)
    return H5(path, hashlib.sha256(data).hexdigest())


def _h5_bytes(network: keras.Model, provenance: Provenance, golden_input: NDArray[np.uint8]) -> bytes:
    """Made in memory: on a full disk HDF5 may end the whole process by a segmentation fault."""
    import h5py

    class NamedInMemory(h5py.File):  # type: ignore[misc]
        def __str__(self) -> str:
            return H5_NAME  # Keras goes by the ending

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


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that appears under its name only when it is complete and on the disk.

    Temporary file beside it, fsync, rename, fsync of the folder.

    Raises: OSError with the file's name, also where the disk is full; then nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def read_provenance(path: Path) -> Provenance:
    """What an H5 of ours says of itself. Raises: BrokenArtifact if it is none of ours."""
    import h5py

    try:
        with h5py.File(path) as file:
            kept = dict(file[GROUP].attrs)
    except (OSError, KeyError) as error:
        raise _not_ours(path, str(error)) from error
    written = {name: json.loads(kept[name]) for name in ("class_names", "config", "environment") if name in kept}
    return Provenance(**{**kept, **written, "temperature": float(kept["temperature"])})


def read_golden(path: Path) -> Golden:
    """The picture that an H5 keeps, with its answer. Raises: BrokenArtifact if it is none of ours."""
    import h5py

    try:
        with h5py.File(path) as file:
            return Golden(file[GROUP]["golden_input"][()], file[GROUP]["golden_output"][()])
    except (OSError, KeyError) as error:
        raise _not_ours(path, str(error)) from error


def load_network(path: Path) -> keras.Model:
    """Open one of our H5 files with Keras: only known layer classes, and only if it still gives its golden answer.

    Raises: BrokenArtifact.
    """
    import keras

    check_layers(path)
    network = keras.saving.load_model(path, compile=False)
    read_golden(path).check(lambda pixels: np.asarray(network(pixels, training=False))[0], path.name)
    return network


def check_layers(path: Path) -> None:
    """Refuse an H5 with a layer class that no builder of ours uses, before Keras builds anything from it."""
    import h5py

    try:
        with h5py.File(path) as file:
            config = json.loads(file.attrs["model_config"])
    except (OSError, KeyError, ValueError) as error:
        raise _not_ours(path, str(error)) from error
    strangers = sorted(set(_layer_classes(config)) - ALLOWED_LAYERS)
    if strangers:
        raise _not_ours(path, f"layers {', '.join(strangers)}")


def _layer_classes(config: dict[str, Any]) -> Iterator[str]:
    yield config["class_name"]
    for layer in config["config"].get("layers", []):
        yield from _layer_classes(layer)


def _not_ours(path: Path, reason: str) -> BrokenArtifact:
    return BrokenArtifact(N_("%(file)s is not an H5 that this site wrote (%(reason)s)."), file=path.name, reason=reason)


def check_files(paths: list[Path], sha256: str) -> None:
    """Compare stored files with the hash in their row. Raises: BrokenArtifact naming the file."""
    with _reading(paths):
        seen = sha256_of(*paths)
    _refuse_change(paths, seen, sha256)


def read_checked(paths: list[Path], sha256: str) -> list[bytes]:
    """The bytes of stored files, read once: what is compared with the hash in the row is what will be used.

    Raises: BrokenArtifact naming the file.
    """
    digest = hashlib.sha256()
    with _reading(paths):
        contents = [path.read_bytes() for path in paths]
    for content in contents:
        digest.update(content)
    _refuse_change(paths, digest.hexdigest(), sha256)
    return contents


@contextmanager
def _reading(paths: list[Path]) -> Iterator[None]:
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise BrokenArtifact(
            N_("%(file)s is missing. Restore it from a backup or train again."), file=" + ".join(missing)
        )
    try:
        yield
    except OSError as error:
        raise BrokenArtifact(
            N_("%(file)s cannot be read (%(reason)s). Restore it from a backup or train again."),
            file=" + ".join(path.name for path in paths),
            reason=error.strerror or str(error),
        ) from error


def unopenable(file: str, error: Exception) -> BrokenArtifact:
    """What a library says of a whole file that it makes nothing of; OpenVINO first names lines of C++."""
    return BrokenArtifact(
        N_("%(file)s cannot be opened (%(reason)s). Restore it from a backup or train again."),
        file=file,
        reason=str(error).strip().splitlines()[-1],
    )


def _refuse_change(paths: list[Path], seen: str, sha256: str) -> None:
    if seen != sha256:
        raise BrokenArtifact(
            N_("%(file)s has changed since it was written. Restore it from a backup or train again."),
            file=" + ".join(path.name for path in paths),
        )


def sha256_of(*paths: Path) -> str:
    """SHA-256 over the bytes of the files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Put a file, or a folder's entries, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
