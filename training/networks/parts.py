"""What every network begins and ends with."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from training.config import TrainingConfig

# Of the moving averages that batch normalisation answers with. Keras's 0.99 and 0.999 are for long trainings: after a
# few hundred steps they would still be those of ImageNet, or of the random start.
BATCH_NORM_MOMENTUM = 0.9


def pixels_of(config: TrainingConfig) -> keras.KerasTensor:
    """(batch, image_size, image_size, 3) in 0-255."""
    return keras.Input((config.image_size, config.image_size, 3), name="pixels")


def on_maps(
    pixels: keras.KerasTensor, maps: keras.KerasTensor, config: TrainingConfig, num_classes: int
) -> keras.Model:
    """A network that ends with the mean of each of its last maps, and one layer on these."""
    x = layers.Identity(name="feature_maps")(maps)
    features = layers.GlobalAveragePooling2D(name="features")(x)  # (batch, channels)
    return classified(pixels, features, config, num_classes)


def classified(
    pixels: keras.KerasTensor, features: keras.KerasTensor, config: TrainingConfig, num_classes: int
) -> keras.Model:
    """A network that ends with one layer on (batch, n) features."""
    x = layers.Dropout(config.dropout, name="dropout")(features)
    x = class_probabilities(x, config, num_classes, "probabilities")
    return keras.Model(pixels, x, name=config.network)


def class_probabilities(x: keras.KerasTensor, config: TrainingConfig, num_classes: int, name: str) -> keras.KerasTensor:
    """(batch, n) -> (batch, num_classes)."""
    initial = {} if config.has_pretrained_weights else initial_weights(config)
    # float32 also where the layers before it compute in mixed precision: a softmax in 16 bits loses the small ones
    return layers.Dense(num_classes, activation="softmax", dtype="float32", name=name, **initial)(x)


def initial_weights(config: TrainingConfig) -> dict[str, Any]:
    return {"kernel_initializer": config.initialization}


def activated(x: keras.KerasTensor, config: TrainingConfig, name: str | None = None) -> keras.KerasTensor:
    """Batch normalisation where it is wanted, then the activation."""
    if config.batch_normalization:
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
    return layers.Activation(config.activation, name=name)(x)
