"""A network in two: the lower part, which fine-tuning leaves alone, and the upper part, which learns."""

from __future__ import annotations

import keras

from training import networks
from training.config import TrainingConfig


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
