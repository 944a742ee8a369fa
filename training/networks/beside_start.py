"""A fine-tuned network that answers together with itself as it was before.

What fine-tuning gains and what it forgets are not the same: together both are right more often than either, as an
ensemble of two networks is (Wortsman et al., Robust fine-tuning of zero-shot models, 2022, in the space of answers).
The lower part, which fine-tuning leaves alone, is shared; the upper part is there twice; one last layer sees both. A
companion, another network that stays as ImageNet taught it, can be a third that this layer sees.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

PREFIX = "start_"  # of the names of the layers that stay as they were
Head = tuple[NDArray[np.float32], NDArray[np.float32]]
"""The kernel (features, num_classes) and the offsets (num_classes,) of a last layer."""


def beside_start(backbone: keras.Model, first: int) -> keras.Model:
    """Prepared pixels -> the last maps of a backbone, and after them those of a copy of its upper part.

    Args:
        first: position of the upper part's first layer, which one tensor alone leads to.
    """
    begin = backbone.layers[first].input
    upper = keras.Model(begin, backbone.outputs[0])
    copy = keras.models.clone_model(upper, clone_function=_renamed)
    copy.set_weights(upper.get_weights())
    copy.name = "start"
    maps = layers.Concatenate(name="beside_start")([backbone.outputs[0], copy(begin)])
    return keras.Model(backbone.inputs[0], maps, name="backbone")


def _renamed(layer: Any) -> Any:
    config = layer.get_config()
    return type(layer).from_config({**config, "name": PREFIX + config["name"]})


def join(whole: keras.Model, tuned: keras.Model, start: Head, share: float) -> None:
    """Give a network beside its start the weights of the fine-tuned one, and a last layer of both their own.

    Args:
        whole: whose start, and its companion, have the weights of ImageNet.
        start: the last layer that was found for these.
        share: what the start's answer counts beside the other's, whose is 1.
    """
    layers_of_whole = {layer.name: layer for layer in whole._flatten_layers(include_self=False)}
    for layer in tuned.get_layer("backbone").layers:
        if layer.weights:
            layers_of_whole[layer.name].set_weights(layer.get_weights())
    kernel, offsets = tuned.get_layer("probabilities").get_weights()
    both = np.concatenate([kernel, share * start[0]]), offsets + share * start[1]
    whole.get_layer("probabilities").set_weights(both)
