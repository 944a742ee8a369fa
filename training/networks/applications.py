"""Networks with weights of ImageNet, each with the preprocessing that these were learned with.

They are EfficientNet-Lite's, which come along, and all of keras.applications.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import layers

from training.config import TrainingConfig
from training.config.choices import APPLICATION_TITLES, PAIRS
from training.config.pretrained_weights import keras_file, keras_folder
from training.errors import WeightsNotFound
from training.messages import N_
from training.networks import efficientnet_lite
from training.networks.beside_start import beside_start
from training.networks.parts import BATCH_NORM_MOMENTUM, on_maps, pixels_of
from training.networks.random_layers import augmented

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green, blue in 0-1
IMAGENET_MEAN_BGR_255 = (103.939, 116.779, 123.68)
UPPER_PART = 1 / 3  # of a backbone's layers, about, where no better place to begin is known


@dataclass(frozen=True)
class Application:
    """One network whose weights have learned from ImageNet."""

    prepare: Callable[[keras.KerasTensor], keras.KerasTensor]  # from pixels in 0-255
    fine_tune_from: str = ""  # the first layer of its upper part; empty leaves the choice to `fine_tune_from`


def _minus_one_to_one(pixels: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Rescaling(1 / 127.5, offset=-1)(pixels)


def _standardized(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Red, green and blue minus the mean of ImageNet, over its standard deviation."""
    scale = [1 / (255 * std) for std in IMAGENET_STD]
    offset = [-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    return layers.Rescaling(scale, offset=offset)(pixels)


def _caffe_pixels(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Blue, green and red minus the mean of ImageNet; a fixed 1 x 1 convolution says it in a layer of every Keras."""
    convolution = layers.Conv2D(3, 1, trainable=False, name="caffe_pixels")
    bgr = convolution(pixels)
    reversed_channels = np.eye(3, dtype="float32")[::-1].reshape(1, 1, 3, 3)
    convolution.set_weights([reversed_channels, -np.array(IMAGENET_MEAN_BGR_255)])
    return bgr


def _as_they_are(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """The network itself begins with what it needs."""
    return pixels


APPLICATIONS = {
    **{name: Application(efficientnet_lite.prepare, "block4a_expand_conv") for name in efficientnet_lite.SIZES},
    **{name: Application(_as_they_are) for name in PAIRS},  # each of the two prepares them its own way
    "mobilenetv2": Application(_minus_one_to_one, "block_6_expand"),
    "mobilenet": Application(_minus_one_to_one, "conv_dw_7"),
    **{f"mobilenetv3{size}": Application(_as_they_are) for size in ("small", "large")},
    **{f"nasnet{size}": Application(_minus_one_to_one) for size in ("mobile", "large")},
    **{f"efficientnetb{size}": Application(_as_they_are) for size in range(8)},
    **{f"efficientnetv2{size}": Application(_as_they_are) for size in ("b1", "b2", "b3", "s", "m", "l")},
    "efficientnetv2b0": Application(_as_they_are, "block5a_expand_conv"),
    **{f"convnext{size}": Application(_as_they_are) for size in ("tiny", "small", "base", "large", "xlarge")},
    **{f"densenet{depth}": Application(_standardized) for depth in (121, 169, 201)},
    **{f"resnet{depth}": Application(_caffe_pixels, "conv5_block1_1_conv") for depth in (50, 101, 152)},
    **{f"resnet{depth}v2": Application(_minus_one_to_one) for depth in (50, 101, 152)},
    **{name: Application(_minus_one_to_one) for name in ("inceptionv3", "inceptionresnetv2", "xception")},
    **{f"vgg{depth}": Application(_caffe_pixels, "block5_conv1") for depth in (16, 19)},
}


def on_backbone(config: TrainingConfig, num_classes: int) -> keras.Model:
    """A network with weights of ImageNet, in the layer `backbone`, with a new last layer.

    Raises: WeightsNotFound if pretrained weights are wanted and cannot be had.
    """
    pixels = pixels_of(config)
    x = augmented(pixels, config)
    if not config.has_companion:  # else each of both prepares them its own way
        x = APPLICATIONS[config.network].prepare(x)
    return on_maps(pixels, backbone_of(config)(x), config, num_classes)


def backbone_of(config: TrainingConfig, prefix: str = "") -> keras.Model:
    """Prepared pixels -> the last maps.

    Args:
        prefix: of the layers' names, where the network can have one.
    Raises: WeightsNotFound.
    """
    if config.network in PAIRS:
        both = {name: replace(config, network=name) for name in PAIRS[config.network]}
        return _side_by_side({name: backbone_of(each, prefix=f"{name}_") for name, each in both.items()})
    if config.has_companion:
        alone = replace(config, companion="none")
        other = replace(alone, network=config.companion, beside_start=False)
        beside = backbone_of(other, prefix=f"{config.companion}_")
        return _side_by_side({config.network: backbone_of(alone), config.companion: beside})
    if config.stands_beside_its_start:
        alone = backbone_of(replace(config, beside_start=False), prefix)
        return beside_start(alone, fine_tune_from(alone, config))
    if config.network in efficientnet_lite.SIZES:
        lite = efficientnet_lite.efficientnet_lite(
            config.network, config.image_size, pretrained=config.pretrained, prefix=prefix
        )
        return keras.Model(lite.inputs[0], lite.outputs[0], name="backbone")
    application = getattr(keras.applications, APPLICATION_TITLES[config.network])
    shape = (config.image_size, config.image_size, 3)
    try:
        network = application(input_shape=shape, include_top=False, weights="imagenet" if config.pretrained else None)
    except Exception as error:  # Keras raises whatever the download raised
        if not config.pretrained:
            raise
        raise _without_weights(config, error) from error
    plain = in_plain_layers(network, config)
    return keras.Model(plain.inputs[0], plain.outputs[0], name="backbone")


def _side_by_side(backbones: dict[str, keras.Model]) -> keras.Model:
    """Pixels in 0-255 -> the last maps of all of them, one after the other.

    Args:
        backbones: by the names of their networks.
    """
    pixels = keras.Input(next(iter(backbones.values())).input_shape[1:])
    maps = []
    for name, backbone in backbones.items():
        backbone.name = name
        maps.append(backbone(APPLICATIONS[name].prepare(pixels)))
    return keras.Model(pixels, layers.Concatenate()(maps), name="backbone")


def _without_weights(config: TrainingConfig, error: Exception) -> WeightsNotFound:
    return WeightsNotFound(
        N_(
            "The weights of %(network)s could not be downloaded (%(reason)s). Put %(file)s "
            "into %(folder)s, or set pretrained to false."
        ),
        network=config.network,
        reason=str(error)[:300],
        file=keras_file(config.network, config.image_size),
        folder=str(keras_folder()),
    )


def in_plain_layers(network: keras.Model, config: TrainingConfig) -> keras.Model:
    """The same network of layers that every Keras opens from an H5.

    Some families hold layers of their own, or sums and products with numbers that an H5 does not bring back;
    EfficientNet's first version is one network with weights and another without.
    """
    if not config.network.startswith(("efficientnetb", "convnext", "mobilenetv3", "inceptionresnet")):
        return network
    plain = keras.models.clone_model(network, call_function=_call_plainly)
    weights = {layer.name: layer.get_weights() for layer in network.layers}
    for layer in plain.layers:
        given = zip(weights.get(layer.name, []), layer.weights, strict=True)
        layer.set_weights([values.reshape(wanted.shape) for values, wanted in given])
    return plain


def _call_plainly(layer: Any, *arguments: Any, **options: Any) -> Any:
    """What a layer of keras.applications makes of its input, said with the layers that every Keras has."""
    kind, x = type(layer).__name__, arguments[0]
    if kind == "LayerScale":  # ConvNeXt: each channel times a weight
        initial = keras.initializers.Constant(layer.init_values)
        return layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer=initial, name=layer.name)(x)
    if kind == "CustomScaleLayer":  # Inception-ResNet
        return layers.Add(name=layer.name)([x[0], layers.Rescaling(layer.scale)(x[1])])
    if kind == "Add" and not isinstance(layer, keras.Layer):  # + of tensors in ConvNeXt, of a number in MobileNetV3
        other = arguments[1]
        return layers.Add()([x, other]) if isinstance(other, keras.KerasTensor) else layers.Rescaling(1.0, other)(x)
    if kind == "Multiply" and not isinstance(layer, keras.Layer):
        return layers.Rescaling(arguments[1])(x)
    # EfficientNet: its weights bring mean and standard deviation, where a network without them has neither
    # (why that standard deviation is divided by in two layers: github.com/tensorflow/tensorflow/issues/49930)
    if kind == "Normalization" and layer.input_mean is None:
        return _standardized(layers.Rescaling(255.0)(x))
    if kind == "Rescaling" and np.ndim(layer.scale):
        return x
    return layer(*arguments, **options)


def freeze_backbone(network: keras.Model) -> None:
    """Let only the new last layer learn."""
    network.get_layer("backbone").trainable = False


def unfreeze_backbone(network: keras.Model, config: TrainingConfig) -> None:
    """Let the backbone's upper part learn, or the whole, as `fine_tune` says; batch normalisation where it is to."""
    backbone = network.get_layer("backbone")
    backbone.trainable = True
    first = 0 if config.fine_tune == "whole" else fine_tune_from(backbone, config)
    for number, layer in enumerate(backbone.layers):
        is_normalizing = isinstance(layer, layers.BatchNormalization)
        layer.trainable = number >= first and (config.fine_tune_batch_norm or not is_normalizing)
        if layer.trainable and is_normalizing:
            layer.momentum = BATCH_NORM_MOMENTUM


def fine_tune_from(backbone: keras.Model, config: TrainingConfig) -> int:
    """Position of the first layer of the upper part: all before it keep their ImageNet weights.

    It stands at a cut; of a network without one near its last third, at that third.
    """
    names = [layer.name for layer in backbone.layers]
    if known := APPLICATIONS[config.network].fine_tune_from:
        return names.index(known)
    wanted = round(len(names) * (1 - UPPER_PART))
    nearest = min(cuts(backbone), key=lambda cut: abs(cut - wanted), default=wanted)
    return nearest if abs(nearest - wanted) < len(names) / 5 else wanted


def cuts(backbone: keras.Model) -> list[int]:
    """Positions where one tensor alone goes from the layers before to the layers from there on."""
    positions = {id(layer): number for number, layer in enumerate(backbone.layers)}
    last_reader = dict.fromkeys(range(len(positions)), 0)
    for number, layer in enumerate(backbone.layers):
        for tensor in keras.tree.flatten(layer.input) if number else []:
            source = positions[id(tensor._keras_history.operation)]
            last_reader[source] = max(last_reader[source], number)
    return [
        number
        for number in range(1, len(positions))
        if sum(last_reader[before] >= number for before in range(number)) == 1
    ]
