"""Random changes of the training pictures, as layers that act in training only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import keras
from keras import layers

from training.config import TrainingConfig
from training.config.augmentation import Change, Colour, changes, changes_of


def augmented(pixels: keras.KerasTensor, config: TrainingConfig) -> keras.KerasTensor:
    """Pixels in 0-255, randomly changed as the trainer changes them (`training/trainer/augmentation.py`)."""
    for layer in _layers_of(changes(config), config.seed):
        pixels = layer(pixels)
    return pixels


def random_layers(name: str, config: TrainingConfig) -> list[layers.Layer]:
    """The layers of one kind of augmentation, as strong as the config says."""
    return _layers_of(changes_of(name, config), config.seed)


def _layers_of(some: tuple[Change, ...], seed: int) -> list[layers.Layer]:
    """Each with a seed of its own: with one for all, two that draw alike would always draw the same."""
    made: list[layers.Layer] = []
    for change in some:
        for part in (change.hue, change.saturation) if isinstance(change, Colour) else (change,):
            kind = getattr(layers, f"Random{type(part).__name__}")
            made.append(_savable(kind(**asdict(part), seed=seed + len(made))))
    return made


def _savable(layer: layers.Layer) -> layers.Layer:
    """Keras 3.15 makes of some layers' range of values a list that it cannot save; a pair it leaves alone."""
    if isinstance(getattr(layer, "value_range", None), list):
        layer.value_range = tuple(layer.value_range)
    return layer


def with_augmentation_at_rest(network: keras.Model) -> keras.Model:
    """A copy whose augmentation layers stay in it but do nothing, however it is called.

    Keras's random layers act unless they are told not to: a plain `network(pixels)` of somebody who opens the H5 would
    answer a changed picture.
    """

    def copied(layer: layers.Layer) -> layers.Layer:
        return _savable(type(layer).from_config(layer.get_config()))

    def call(layer: layers.Layer, *arguments: Any, **options: Any) -> Any:
        if type(layer).__name__.startswith("Random"):
            options["training"] = False
        return layer(*arguments, **options)

    copy = keras.models.clone_model(network, clone_function=copied, call_function=call)
    copy.set_weights(network.get_weights())
    return copy
