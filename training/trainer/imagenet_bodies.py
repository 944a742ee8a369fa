"""Backbones as ImageNet has taught them, converted for OpenVINO: made once, read from then on.

A conversion takes seconds, and a choice of network needs several. Those of the weights that come along are made while
installing, others once a run.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from training import networks
from training.artifacts.files import sha256_of, sync
from training.config import TrainingConfig
from training.config.choices import BESIDE_START, LITES, PAIRS
from training.config.pretrained_weights import PACKAGED, are_at_hand, keras_file, keras_folder
from training.environment import MADE_WHILE_INSTALLING
from training.trainer.conversion import converted
from training.trainer.split_backbone import is_split, lower_of

if TYPE_CHECKING:
    import openvino as ov

INSTALLED = MADE_WHILE_INSTALLING / "bodies"
USUAL_NETWORKS = ("efficientnetlite0", "efficientnetlite2")
USUAL_SIZE = 224
FORMAT = 1  # rises when the code makes something else of the same weights and the same packages
PACKAGES = ("keras", "tensorflow", "openvino")


@dataclass(frozen=True)
class BodyFiles:
    """Where one body lies: its structure, which is written last, and its weights."""

    structure: Path

    @property
    def weights(self) -> Path:
        return self.structure.with_suffix(".bin")

    def read(self) -> ov.Model | None:
        """None where it is not there, or will not open: it is made anew then."""
        import openvino as ov

        if not self.structure.is_file():
            return None
        try:
            return ov.Core().read_model(self.structure, self.weights)
        except RuntimeError:  # cut short, or another OpenVINO's
            return None

    def write(self, body: ov.Model) -> None:
        """Raises: OSError where the disk is full."""
        import openvino as ov

        self.structure.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.structure.parent, prefix=".making-") as temporary:
            made = BodyFiles(Path(temporary) / self.structure.name)
            ov.save_model(body, made.structure, compress_to_fp16=False)
            for mine, theirs in ((made.weights, self.weights), (made.structure, self.structure)):
                sync(mine)
                mine.replace(theirs)


def imagenet_body(network: str, image_size: int, folder: Path) -> ov.Model:
    """(1, image_size, image_size, 3) pixels in 0-255 -> `features`, `feature_maps` and, of one network, `lower`.

    Args:
        network: one that `knows` says yes to.
        folder: the run's own, where what was not made while installing is kept for the rest of the run.
    Raises: WeightsNotFound.
    """
    if network in PAIRS:
        return side_by_side([imagenet_body(each, image_size, folder) for each in PAIRS[network]], image_size)
    made_for = _made_for(network, image_size)
    name = f"{network}-{made_for}-{_digest(network, image_size)}.xml"
    body = BodyFiles(INSTALLED / name).read() or BodyFiles(folder / name).read()
    if not body:
        body = _convert(network, made_for, folder)
        BodyFiles(folder / name).write(body)
    if made_for != image_size:
        body.reshape([1, image_size, image_size, 3])
    return body


def knows(config: TrainingConfig) -> bool:
    """Whether the config's backbone begins as ImageNet taught it, and its body is one of those that are kept."""
    is_kept = config.network in BESIDE_START or config.network in PAIRS
    return is_kept and config.pretrained and are_at_hand(config.network, config.image_size)


def make_all() -> None:
    """Make what is made while installing, unless it is there, and remove what other releases left.

    Raises: WeightsNotFound; OSError.
    """
    wanted = {f"{name}-{USUAL_SIZE}-{_digest(name, USUAL_SIZE)}" for name in USUAL_NETWORKS}
    for name in USUAL_NETWORKS:
        imagenet_body(name, USUAL_SIZE, INSTALLED)
    for path in INSTALLED.glob("*-*.*"):
        if path.stem not in wanted:
            path.unlink(missing_ok=True)


def _made_for(network: str, image_size: int) -> int:
    """The size that a body is converted for. Lite's layers are the same at every size; other networks pad by it."""
    return USUAL_SIZE if network in LITES else image_size


def _digest(network: str, image_size: int) -> str:
    """Of all that a body is made of."""
    packaged = PACKAGED.get(network)
    weights = packaged.sha256 if packaged else sha256_of(keras_folder() / keras_file(network, image_size))
    parts = [str(FORMAT), weights, *(f"{name} {version(name)}" for name in PACKAGES)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _convert(network: str, image_size: int, folder: Path) -> ov.Model:
    settings = {"image_size": image_size, "augmentation": (), "fine_tune": "upper", "linear_probe": True}
    config = TrainingConfig.for_network(network, settings)
    folder.mkdir(parents=True, exist_ok=True)
    return body_of(networks.build(config, 2), config, folder)


def body_of(network: keras.Model, config: TrainingConfig, folder: Path) -> ov.Model:
    """All of a network but its last layer, with the weights that it has now; it takes seconds."""
    outputs = {name: network.get_layer(name).output for name in ("features", "feature_maps")}
    if is_split(network, config):
        outputs["lower"] = lower_of(network, config).outputs[0]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as temporary:
        return converted(keras.Model(network.inputs[0], outputs), Path(temporary) / "saved_model")


def side_by_side(bodies: list[ov.Model], image_size: int) -> ov.Model:
    """One body of several that see the same picture: their features and their maps one after the other."""
    import openvino as ov
    from openvino import opset13 as operations

    pixels = operations.parameter([1, image_size, image_size, 3], ov.Type.f32, name="pixels")
    pixels.output(0).set_names({"pixels"})
    for body in bodies:
        for reader in body.get_parameters()[0].output(0).get_target_inputs():
            reader.replace_source_output(pixels.output(0))
    joined = []
    for name in ("features", "feature_maps"):
        found = [body.output(name).get_node().input_value(0) for body in bodies]
        both = operations.concat(found, axis=-1).output(0)
        both.set_names({name})
        joined.append(both)
    return ov.Model(joined, [pixels])
