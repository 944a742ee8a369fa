"""What a frozen part of a network makes of pictures, computed outside of TensorFlow where that is faster.

On a CPU OpenVINO computes the frozen lower part of MobileNetV2 in a sixth of the time that a step of its upper part
takes, so every epoch sees new random views of its pictures and nothing is kept on the disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from training import networks
from training.artifacts.serving_model import compiled
from training.config import TrainingConfig
from training.data.images import Pixels
from training.trainer.conversion import converted
from training.trainer.input_pipeline import NUM_THREADS, stacked

if TYPE_CHECKING:
    import openvino as ov

Part: TypeAlias = Callable[[Pixels], NDArray[np.float32]]
"""(n, image_size, image_size, 3) pixels -> (n, …) what a part of a network makes of them."""


@dataclass(frozen=True)
class Frozen:
    """The parts of a network that do not learn."""

    features: Part  # the whole backbone: all but the last layer
    lower: Part | None = None  # up to where fine-tuning begins; none where the whole network is fitted
    body: ov.Model | None = None  # all but the last layer, for `make_serving_model`; none where nothing was converted


def frozen_in_openvino(network: keras.Model, config: TrainingConfig, folder: Path) -> Frozen:
    """The frozen parts with the weights that the network has now, both cut from one conversion; it takes seconds.

    Args:
        network: with a backbone, without augmentation.
        folder: where the conversion may write for a moment.
    """
    outputs = {name: network.get_layer(name).output for name in ("features", "feature_maps")}
    if is_split(network, config):
        outputs["lower"] = lower_of(network, config).outputs[0]
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        model = converted(keras.Model(network.inputs[0], outputs), Path(temporary) / "saved_model")
        lower = _part(model, "lower") if "lower" in outputs else None
        return Frozen(_part(model, "features"), lower, model)


def _part(model: ov.Model, output: str) -> Part:
    """What leads to one output alone."""
    import openvino as ov

    answer = compiled(ov.Model([model.output(output)], model.get_parameters()), output, NUM_THREADS)
    return lambda pixels: stacked(lambda i: answer(pixels[i : i + 1].astype(np.float32)), len(pixels))


def imagenet_features(image_size: int, folder: Path) -> Part:
    """What EfficientNet-Lite0 with ImageNet's weights makes of pictures.

    Args:
        folder: where the conversion may write for a moment.
    Raises: WeightsNotFound.
    """
    settings = {"image_size": image_size, "augmentation": (), "fine_tune": "none", "head_epochs": 1, "epochs": 1}
    config = TrainingConfig.for_network("efficientnetlite0", settings)
    return frozen_in_openvino(networks.build(config, 2), config, folder).features


def frozen_in_keras(network: keras.Model) -> Frozen:
    """The same on whatever device Keras computes on. The lower part stays in the network: on a GPU it costs little."""
    features = networks.features_of(network)
    return Frozen(lambda pixels: features.predict_on_batch(pixels.astype(np.float32)))


def is_split(network: keras.Model, config: TrainingConfig) -> bool:
    """Whether fine-tuning leaves a lower part alone, and that hands a single tensor on."""
    if not config.is_fine_tuned or config.fine_tune != "upper":
        return False
    backbone = network.get_layer("backbone")
    return networks.fine_tune_from(backbone, config) in networks.cuts(backbone)


def lower_of(network: keras.Model, config: TrainingConfig) -> keras.Model:
    """Pixels -> the tensor that the upper part begins with."""
    backbone = network.get_layer("backbone")
    before = network.layers[network.layers.index(backbone) - 1].output  # the prepared pixels
    part = keras.Model(backbone.inputs[0], _where_learning_begins(backbone, config))
    return keras.Model(network.inputs[0], part(before), name="lower")


def upper_of(network: keras.Model, config: TrainingConfig) -> keras.Model:
    """That tensor -> (batch, num_classes) probabilities, sharing the network's own layers."""
    backbone = network.get_layer("backbone")
    begin = _where_learning_begins(backbone, config)
    maps = keras.Input(begin.shape[1:], name="maps")
    x = keras.Model(begin, backbone.outputs[0], name="upper_backbone")(maps)
    for name in ("feature_maps", "features", "dropout", "probabilities"):
        x = network.get_layer(name)(x)
    return keras.Model(maps, x, name="upper")


def _where_learning_begins(backbone: keras.Model, config: TrainingConfig) -> keras.KerasTensor:
    return backbone.layers[networks.fine_tune_from(backbone, config)].input
