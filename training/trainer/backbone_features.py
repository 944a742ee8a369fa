"""What a frozen part of a network makes of pictures, computed outside of TensorFlow where that is faster.

On a CPU OpenVINO computes the frozen lower part of MobileNetV2 in a sixth of the time that a step of its upper part
takes, so every epoch sees new random views of its pictures and nothing is kept on the disk.
"""

from __future__ import annotations

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
from training.trainer.imagenet_bodies import body_of, imagenet_body, knows
from training.trainer.input_pipeline import NUM_THREADS, stacked
from training.trainer.split_backbone import is_split

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
    """The frozen parts of a network, cut from one conversion: of ImageNet's weights where it begins with them.

    Args:
        network: with a backbone, without augmentation.
        folder: the run's own, where the conversion may write.
    """
    body = (
        imagenet_body(config.network, config.image_size, folder) if knows(config) else body_of(network, config, folder)
    )
    lower = _part(body, "lower") if is_split(network, config) else None
    return Frozen(_part(body, "features"), lower, body)


def frozen_features(config: TrainingConfig, folder: Path) -> Part:
    """What the config's backbone makes of pictures as ImageNet taught it. Raises: WeightsNotFound."""
    if knows(config):
        return _part(imagenet_body(config.network, config.image_size, folder), "features")
    plain = config.changed({"augmentation": (), "fine_tune": "none"})
    return _part(body_of(networks.build(plain, 2), plain, folder), "features")


def _part(model: ov.Model, output: str) -> Part:
    """What leads to one output alone."""
    import openvino as ov

    answer = compiled(ov.Model([model.output(output)], model.get_parameters()), output, NUM_THREADS)
    return lambda pixels: stacked(lambda i: answer(pixels[i : i + 1].astype(np.float32)), len(pixels))


def imagenet_features(image_size: int, folder: Path) -> Part:
    """What EfficientNet-Lite0 with ImageNet's weights makes of pictures.

    Args:
        folder: where a conversion may write.
    Raises: WeightsNotFound.
    """
    settings = {"image_size": image_size, "augmentation": (), "fine_tune": "none", "head_epochs": 1, "epochs": 1}
    return frozen_features(TrainingConfig.for_network("efficientnetlite0", settings), folder)


def frozen_in_keras(network: keras.Model) -> Frozen:
    """The same on whatever device Keras computes on. The lower part stays in the network: on a GPU it costs little."""
    features = networks.features_of(network)
    return Frozen(lambda pixels: features.predict_on_batch(pixels.astype(np.float32)))
