"""A network that answers from what it has learned of ImageNet, among some of its classes."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from training.config import TrainingConfig
from training.networks.applications import APPLICATIONS, backbone_of
from training.networks.efficientnet_lite import imagenet_head
from training.networks.parts import pixels_of


def on_imagenet_classes(config: TrainingConfig, labels: Sequence[Sequence[int]]) -> keras.Model:
    """(batch, image_size, image_size, 3) pixels in 0-255 -> (batch, len(labels)) probabilities.

    A softmax over the classes that any label stands for, then for each label the sum of its own: what the 1,000
    probabilities come to where one of these classes is known to be the true one.

    Args:
        config: names one of the EfficientNet-Lites; it is taken as ImageNet taught it.
        labels: numbers from 0 of the classes that each label stands for; no class is in two of them.
    Raises: WeightsNotFound.
    """
    pixels = pixels_of(config)
    maps = backbone_of(config)(APPLICATIONS[config.network].prepare(pixels))
    maps = layers.Identity(name="feature_maps")(maps)
    features = layers.GlobalAveragePooling2D(name="features")(maps)  # (batch, 1280)
    kept = [number for label in labels for number in label]
    each = layers.Dense(len(kept), activation="softmax", dtype="float32", name="imagenet_classes")
    together = layers.Dense(len(labels), use_bias=False, trainable=False, dtype="float32", name="probabilities")
    network = keras.Model(pixels, together(each(features)), name=config.network)
    kernel, offsets = imagenet_head(config.network)
    each.set_weights([kernel[:, kept], offsets[kept]])
    together.set_weights([_membership(labels)])
    return network


def _membership(labels: Sequence[Sequence[int]]) -> np.ndarray:
    """(classes, labels): 1 where the class belongs to the label."""
    sizes = [len(label) for label in labels]
    return np.repeat(np.eye(len(labels), dtype=np.float32), sizes, axis=0)
