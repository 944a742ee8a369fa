"""Networks by name. Each is one function from pixels to probabilities; rescaling and augmentation are layers in it.

Every network names the layers that the serving twin reads: `feature_maps` (the last maps, for the heat map; the `mlp`
has none), `features` (a vector a picture) and `probabilities`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from training.config import TrainingConfig
from training.errors import N_, WeightsNotFound

# The first layer that fine-tuning changes: everything before it keeps its ImageNet weights.
FINE_TUNE_FROM = {"mobilenetv2": "block_6_expand", "resnet50": "conv5_block1_1_conv"}
# Of the moving averages that batch normalisation answers with. Keras's 0.99 and 0.999 are for long trainings: after a
# few hundred steps they would still be those of ImageNet, or of the random start.
BATCH_NORM_MOMENTUM = 0.9


def build(config: TrainingConfig, num_classes: int) -> keras.Model:
    """(batch, image_size, image_size, 3) pixels in 0-255 -> (batch, num_classes) probabilities.

    Raises: WeightsNotFound if pretrained weights are wanted and cannot be had.
    """
    builders: dict[str, Callable[[TrainingConfig, int], keras.Model]] = {
        "mlp": mlp,
        "lenet5": lenet5,
        "cnn": cnn,
        "mobilenetv2": mobilenetv2,
        "resnet50": resnet50,
    }
    return builders[config.network](config, num_classes)


def mlp(config: TrainingConfig, num_classes: int) -> keras.Model:
    """An L-layer fully connected network, one hidden layer for each number in `hidden_units`."""
    pixels = _pixels(config)
    x = layers.Rescaling(1 / 255)(_augmented(pixels, config))
    x = layers.Flatten()(x)
    for units in config.hidden_units[:-1]:
        x = layers.Dense(units, activation=config.activation)(x)
    x = layers.Dense(config.hidden_units[-1], activation=config.activation, name="features")(x)
    return _classified(pixels, x, config, num_classes)


def lenet5(config: TrainingConfig, num_classes: int) -> keras.Model:
    """LeNet-5 (LeCun et al., 1998): grey pixels, 6 and 16 filters of 5 x 5, then 120, 84 and the classes.

    The maximum is pooled, not the average as in the paper: measured here, it reads digits of strangers better.
    """
    pixels = _pixels(config)
    x = layers.Conv2D(1, 1, use_bias=False, kernel_initializer=_grey(), trainable=False, name="grey")(pixels)
    x = layers.Rescaling(1 / 127.5, offset=-1)(_augmented(x, config))
    x = layers.Conv2D(6, 5, padding="same", activation=config.activation)(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(16, 5, activation=config.activation)(x)
    x = layers.MaxPooling2D(2, name="feature_maps")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(120, activation=config.activation)(x)
    x = layers.Dense(84, activation=config.activation, name="features")(x)
    return _classified(pixels, x, config, num_classes)


def cnn(config: TrainingConfig, num_classes: int) -> keras.Model:
    """Blocks of convolution, batch normalisation, activation and pooling, one for each number in `filters`."""
    pixels = _pixels(config)
    x = layers.Rescaling(1 / 127.5, offset=-1)(_augmented(pixels, config))
    for filters in config.filters:
        x = layers.Conv2D(filters, config.kernel_size, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)
        x = layers.Activation(config.activation)(x)
        x = layers.MaxPooling2D(2)(x)  # halves height and width
    x = layers.Identity(name="feature_maps")(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)  # (batch, filters[-1])
    return _classified(pixels, x, config, num_classes)


def mobilenetv2(config: TrainingConfig, num_classes: int) -> keras.Model:
    """MobileNetV2 (Sandler et al., 2018) from keras.applications with a new last layer."""
    pixels = _pixels(config)
    x = layers.Rescaling(1 / 127.5, offset=-1)(_augmented(pixels, config))
    x = _backbone(keras.applications.MobileNetV2, x, config)
    return _on_backbone(pixels, x, config, num_classes)


def resnet50(config: TrainingConfig, num_classes: int) -> keras.Model:
    """ResNet-50 (He et al., 2016) from keras.applications with a new last layer."""
    pixels = _pixels(config)
    x = _caffe_pixels(_augmented(pixels, config))
    x = _backbone(keras.applications.ResNet50, x, config)
    return _on_backbone(pixels, x, config, num_classes)


def freeze_backbone(network: keras.Model) -> None:
    """Let only the new last layer learn."""
    network.get_layer("backbone").trainable = False


def unfreeze_last_stage(network: keras.Model, config: TrainingConfig) -> None:
    """Let everything from FINE_TUNE_FROM upward learn, its batch normalisation included."""
    backbone = network.get_layer("backbone")
    backbone.trainable = True
    names = [layer.name for layer in backbone.layers]
    first = names.index(FINE_TUNE_FROM[config.network])
    for layer in backbone.layers[:first]:
        layer.trainable = False
    for layer in backbone.layers[first:]:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM


def head_of(network: keras.Model) -> keras.Model:
    """(batch, n) features -> (batch, num_classes) probabilities, sharing the network's own last layers."""
    features = keras.Input(network.get_layer("features").output.shape[1:])
    x = network.get_layer("dropout")(features)
    return keras.Model(features, network.get_layer("probabilities")(x), name="head")


def features_of(network: keras.Model) -> keras.Model:
    """Pixels -> (batch, n) features."""
    return keras.Model(network.inputs[0], network.get_layer("features").output, name="features")


def with_augmentation_at_rest(network: keras.Model) -> keras.Model:
    """A copy whose augmentation layers stay in it but do nothing, however it is called.

    Keras's random layers act unless they are told not to: a plain `network(pixels)` of somebody who opens the H5 would
    answer a changed picture.
    """

    def call(layer: layers.Layer, *arguments: Any, **options: Any) -> Any:
        if type(layer).__name__.startswith("Random"):
            options["training"] = False
        return layer(*arguments, **options)

    copy = keras.models.clone_model(network, call_function=call)
    copy.set_weights(network.get_weights())
    return copy


def _pixels(config: TrainingConfig) -> keras.KerasTensor:
    return keras.Input((config.image_size, config.image_size, 3), name="pixels")


def _classified(
    pixels: keras.KerasTensor, features: keras.KerasTensor, config: TrainingConfig, num_classes: int
) -> keras.Model:
    x = layers.Dropout(config.dropout, name="dropout")(features)
    # float32 also where the layers before it compute in mixed precision: a softmax in 16 bits loses the small ones
    x = layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(pixels, x, name=config.network)


def _on_backbone(
    pixels: keras.KerasTensor, x: keras.KerasTensor, config: TrainingConfig, num_classes: int
) -> keras.Model:
    x = layers.Identity(name="feature_maps")(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return _classified(pixels, features, config, num_classes)


def _augmented(pixels: keras.KerasTensor, config: TrainingConfig) -> keras.KerasTensor:
    """Random changes that act in training only, in the order in which they are listed."""
    makers: dict[str, Callable[[], layers.Layer]] = {
        "flip": lambda: layers.RandomFlip("horizontal", seed=config.seed),
        "rotation": lambda: layers.RandomRotation(0.05, fill_mode="nearest", seed=config.seed),
        "zoom": lambda: layers.RandomZoom(0.25, fill_mode="nearest", seed=config.seed),
        "translation": lambda: layers.RandomTranslation(0.15, 0.15, fill_mode="nearest", seed=config.seed),
        # to either side; written as 0.25, Keras 3.15 cannot load the layer again
        "shear": lambda: layers.RandomShear((0, 0.25), fill_mode="nearest", seed=config.seed),
        "contrast": lambda: layers.RandomContrast(0.2, value_range=(0, 255), seed=config.seed),
        "invert": lambda: layers.RandomInvert(0.5, value_range=(0, 255), seed=config.seed),
    }
    for name in config.augmentation:
        pixels = makers[name]()(pixels)
    return pixels


def _grey() -> keras.initializers.Initializer:
    return keras.initializers.Constant(1 / 3)


def _caffe_pixels(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """RGB in 0-255 -> BGR minus the ImageNet mean, which is what keras.applications' ResNet50 was trained on.

    A fixed 1 x 1 convolution says it in a layer that every Keras can load.
    """
    convolution = layers.Conv2D(3, 1, trainable=False, name="caffe_pixels")
    bgr = convolution(pixels)
    reversed_channels = np.eye(3, dtype="float32")[::-1].reshape(1, 1, 3, 3)
    convolution.set_weights([reversed_channels, np.array([-103.939, -116.779, -123.68])])
    return bgr


def _backbone(
    application: Callable[..., keras.Model], pixels: keras.KerasTensor, config: TrainingConfig
) -> keras.KerasTensor:
    weights = "imagenet" if config.pretrained else None
    shape = (config.image_size, config.image_size, 3)
    try:
        backbone = application(input_shape=shape, include_top=False, weights=weights, name="backbone")
    except Exception as error:  # Keras raises whatever the download raised
        if weights is None:
            raise
        raise WeightsNotFound(
            N_(
                "The ImageNet weights of %(network)s could not be downloaded (%(reason)s). Put %(file)s "
                "into %(folder)s, or set pretrained to false."
            ),
            network=config.network,
            reason=str(error)[:300],
            file=_weights_file(config),
            folder=str(Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"),
        ) from error
    return backbone(pixels)


def _weights_file(config: TrainingConfig) -> str:
    """The name under which keras.applications looks for a backbone's ImageNet weights."""
    if config.network == "resnet50":
        return "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    trained_at = config.image_size if config.image_size in (96, 128, 160, 192, 224) else 224
    return f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{trained_at}_no_top.h5"
