"""GoogLeNet: Inception v1 of "Going Deeper with Convolutions" (Szegedy et al., 2014), table 1 and section 5."""

from __future__ import annotations

import keras
from keras import layers

from training.config import TrainingConfig
from training.networks.parts import activated, class_probabilities, initial_weights, on_maps, pixels_of
from training.networks.random_layers import augmented

# Filters of each module: 1 x 1; 3 x 3 and the 1 x 1 before it; 5 x 5 and the 1 x 1 before it; 1 x 1 after the pooling.
MODULES = {
    "3a": (64, (96, 128), (16, 32), 32),
    "3b": (128, (128, 192), (32, 96), 64),
    "4a": (192, (96, 208), (16, 48), 64),
    "4b": (160, (112, 224), (24, 64), 64),
    "4c": (128, (128, 256), (24, 64), 64),
    "4d": (112, (144, 288), (32, 64), 64),
    "4e": (256, (160, 320), (32, 128), 128),
    "5a": (256, (160, 320), (32, 128), 128),
    "5b": (384, (192, 384), (48, 128), 128),
}
AFTER_A_POOLING = ("4a", "5a")
WITH_AUXILIARY_HEAD = ("4a", "4d")
AUXILIARY_DROPOUT = 0.7


def googlenet(config: TrainingConfig, num_classes: int) -> keras.Model:
    """The network with its main head, as it answers.

    The paper's normalisation of local responses is left out: batch normalisation, a year younger, does its work better.
    """
    pixels = pixels_of(config)
    x = layers.Rescaling(1 / 127.5, offset=-1)(augmented(pixels, config))
    x = _convolved(x, 64, 7, config, stride=2)
    x = _halved(x)
    x = _convolved(x, 64, 1, config)
    x = _convolved(x, 192, 3, config)
    x = _halved(x)
    for name in MODULES:
        if name in AFTER_A_POOLING:
            x = _halved(x)
        x = _inception(x, name, config)
    return on_maps(pixels, x, config, num_classes)


def with_auxiliary_heads(network: keras.Model, config: TrainingConfig, num_classes: int) -> keras.Model:
    """The network as it learns: {"probabilities": …, "auxiliary_4a": …, "auxiliary_4d": …}, sharing its layers."""
    outputs = {"probabilities": network.output}
    for module in WITH_AUXILIARY_HEAD:
        name = f"auxiliary_{module}"
        outputs[name] = _auxiliary_head(network.get_layer(f"inception_{module}").output, config, num_classes, name)
    return keras.Model(network.inputs[0], outputs, name=network.name)


def _auxiliary_head(x: keras.KerasTensor, config: TrainingConfig, num_classes: int, name: str) -> keras.KerasTensor:
    """Section 5: average of 5 x 5 every 3, 128 filters of 1 x 1, 1024 units, 70 % dropout."""
    x = layers.AveragePooling2D(min(5, x.shape[1]), strides=3)(x)  # small pictures have smaller maps here
    x = _convolved(x, 128, 1, config)
    x = layers.Flatten()(x)
    x = layers.Dense(1024, activation=config.activation, **initial_weights(config))(x)
    x = layers.Dropout(AUXILIARY_DROPOUT, name=f"{name}_dropout")(x)
    return class_probabilities(x, config, num_classes, name)


def _inception(x: keras.KerasTensor, name: str, config: TrainingConfig) -> keras.KerasTensor:
    """Filters of three sizes and a pooling side by side."""
    ones, threes, fives, after_pooling = MODULES[name]
    branches = [
        _convolved(x, ones, 1, config),
        _convolved(_convolved(x, threes[0], 1, config), threes[1], 3, config),
        _convolved(_convolved(x, fives[0], 1, config), fives[1], 5, config),
        _convolved(layers.MaxPooling2D(3, strides=1, padding="same")(x), after_pooling, 1, config),
    ]
    return layers.Concatenate(name=f"inception_{name}")(branches)


def _convolved(
    x: keras.KerasTensor, filters: int, kernel_size: int, config: TrainingConfig, *, stride: int = 1
) -> keras.KerasTensor:
    has_bias = not config.batch_normalization
    initial = initial_weights(config)
    x = layers.Conv2D(filters, kernel_size, strides=stride, padding="same", use_bias=has_bias, **initial)(x)
    return activated(x, config)


def _halved(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.MaxPooling2D(3, strides=2, padding="same")(x)
