"""Networks that begin with random weights: `mlp`, `lenet5` and `cnn`."""

from __future__ import annotations

import keras
from keras import layers

from training.config import TrainingConfig
from training.networks.parts import activated, classified, initial_weights, on_maps, pixels_of
from training.networks.random_layers import augmented


def mlp(config: TrainingConfig, num_classes: int) -> keras.Model:
    """An L-layer fully connected network, one hidden layer for each number in `hidden_units`."""
    pixels = pixels_of(config)
    x = layers.Rescaling(1 / 255)(augmented(pixels, config))
    x = layers.Flatten()(x)
    for number, units in enumerate(config.hidden_units, start=1):
        x = layers.Dense(units, use_bias=not config.batch_normalization, **initial_weights(config))(x)
        x = activated(x, config, name="features" if number == len(config.hidden_units) else None)
    return classified(pixels, x, config, num_classes)


def lenet5(config: TrainingConfig, num_classes: int) -> keras.Model:
    """LeNet-5 (LeCun et al., 1998): grey pixels, 6 and 16 filters of 5 x 5, then 120, 84 and the classes.

    As in the paper with activation tanh and average pooling at 32 pixels. The defaults are ReLU and the maximum:
    measured here, they read digits of strangers better.
    """
    pixels = pixels_of(config)
    grey = layers.Conv2D(1, 1, use_bias=False, kernel_initializer=_grey(), trainable=False, name="grey")
    x = layers.Rescaling(1 / 127.5, offset=-1)(grey(augmented(pixels, config)))
    as_chosen = {"activation": config.activation, **initial_weights(config)}
    x = layers.Conv2D(6, 5, padding="same", **as_chosen)(x)
    x = pooled(x, config)
    x = layers.Conv2D(16, 5, **as_chosen)(x)
    x = layers.Identity(name="feature_maps")(pooled(x, config))
    x = layers.Flatten()(x)
    x = layers.Dense(120, **as_chosen)(x)
    x = layers.Dense(84, name="features", **as_chosen)(x)
    return classified(pixels, x, config, num_classes)


def cnn(config: TrainingConfig, num_classes: int) -> keras.Model:
    """Blocks, one for each of `filters`: convolutions with batch normalisation and activation, then a pooling."""
    pixels = pixels_of(config)
    x = layers.Rescaling(1 / 127.5, offset=-1)(augmented(pixels, config))
    for filters in config.filters:
        for stride in (config.stride, *[1] * (config.convolutions - 1)):
            x = layers.Conv2D(
                filters,
                config.kernel_size,
                strides=stride,
                padding=config.padding,
                use_bias=not config.batch_normalization,
                **initial_weights(config),
            )(x)
            x = activated(x, config)
        x = pooled(x, config)
    return on_maps(pixels, x, config, num_classes)


def pooled(x: keras.KerasTensor, config: TrainingConfig) -> keras.KerasTensor:
    """Half as high and wide, unless there is no pooling."""
    poolings = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}
    return poolings[config.pooling](2)(x) if config.pooling in poolings else x


def _grey() -> keras.initializers.Initializer:
    return keras.initializers.Constant(1 / 3)
