"""Networks by name. Each is one function from pixels to probabilities; rescaling and augmentation are layers in it.

Every network names the layers that the serving model reads: `feature_maps` (the last maps, for the heat map; the `mlp`
has none), `features` (a vector a picture) and `probabilities`. What comes from keras.applications is one layer,
`backbone`.
"""

from __future__ import annotations

from collections.abc import Callable

import keras

from training.config import TrainingConfig
from training.networks.applications import cuts, fine_tune_from, freeze_backbone, on_backbone, unfreeze_backbone
from training.networks.beside_start import join
from training.networks.googlenet import googlenet
from training.networks.googlenet import with_auxiliary_heads as _googlenet_with_auxiliary_heads
from training.networks.parts import BATCH_NORM_MOMENTUM
from training.networks.random_layers import random_layers, with_augmentation_at_rest
from training.networks.scratch import cnn, lenet5, mlp

__all__ = [
    "BATCH_NORM_MOMENTUM",
    "build",
    "cuts",
    "features_of",
    "fine_tune_from",
    "freeze_backbone",
    "head_of",
    "join",
    "random_layers",
    "unfreeze_backbone",
    "with_augmentation_at_rest",
    "with_auxiliary_heads",
]


def build(config: TrainingConfig, num_classes: int) -> keras.Model:
    """(batch, image_size, image_size, 3) pixels in 0-255 -> (batch, num_classes) probabilities.

    Raises: WeightsNotFound if pretrained weights are wanted and cannot be had.
    """
    builders: dict[str, Callable[[TrainingConfig, int], keras.Model]] = {
        "mlp": mlp,
        "lenet5": lenet5,
        "cnn": cnn,
        "googlenet": googlenet,
    }
    return builders.get(config.network, on_backbone)(config, num_classes)


def with_auxiliary_heads(network: keras.Model, config: TrainingConfig, num_classes: int) -> keras.Model:
    """What learns instead of the network: itself, or, with heads on the way, itself and these, sharing its layers.

    With heads its outputs are a dict whose "probabilities" are the network's own.
    """
    if config.network == "googlenet" and config.auxiliary_weight:
        return _googlenet_with_auxiliary_heads(network, config, num_classes)
    return network


def head_of(network: keras.Model) -> keras.Model:
    """(batch, n) features -> (batch, num_classes) probabilities, sharing the network's own last layers."""
    features = keras.Input(network.get_layer("features").output.shape[1:])
    x = network.get_layer("dropout")(features)
    return keras.Model(features, network.get_layer("probabilities")(x), name="head")


def features_of(network: keras.Model) -> keras.Model:
    """Pixels -> (batch, n) features."""
    return keras.Model(network.inputs[0], network.get_layer("features").output, name="features")
