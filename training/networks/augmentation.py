"""Random changes of the training pictures, as layers that act in training only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from training.config import TrainingConfig

PIXEL_RANGE = (0, 255)


def augmented(pixels: keras.KerasTensor, config: TrainingConfig) -> keras.KerasTensor:
    """Pixels in 0-255, randomly changed in the order in which the changes are listed.

    Grey pixels have no colour to change: it is left out for them.
    """
    for name in config.augmentation:
        if name == "colour" and pixels.shape[-1] == 1:
            continue
        for layer in random_layers(name, config):
            pixels = layer(pixels)
    return pixels


def random_layers(name: str, config: TrainingConfig) -> list[layers.Layer]:
    """The layers of one kind of augmentation, as strong as the config says. At strength 1:

    turned by up to 18°, zoomed by up to a quarter, moved by up to 15 % of the side, sheared by up to a quarter,
    contrast by up to 20 %, brightness by up to 15 % of white, hue by up to 5 % of its circle, saturation by up to 40 %,
    blurred, an eighth of the picture erased in a half of them, a half inverted.
    """
    strength, seed = config.augmentation_strength, config.seed
    moved = {"fill_mode": "nearest", "seed": seed}
    coloured = {"value_range": PIXEL_RANGE, "seed": seed}
    # Pairs where a single number would do: written as one, Keras 3.15 cannot load some of these layers again.
    makers: dict[str, Callable[[], list[layers.Layer]]] = {
        "flip": lambda: [layers.RandomFlip("horizontal", seed=seed)],
        "vertical_flip": lambda: [layers.RandomFlip("vertical", seed=seed)],
        "rotation": lambda: [layers.RandomRotation(0.05 * strength, **moved)],
        "zoom": lambda: [layers.RandomZoom(min(0.25 * strength, 0.6), **moved)],
        "translation": lambda: [layers.RandomTranslation(0.15 * strength, 0.15 * strength, **moved)],
        "shear": lambda: [layers.RandomShear((0.0, 0.25 * strength), **moved)],
        "contrast": lambda: [layers.RandomContrast(0.2 * strength, **coloured)],
        "brightness": lambda: [layers.RandomBrightness(0.15 * strength, **coloured)],
        "colour": lambda: [
            layers.RandomHue((0.0, 0.05 * strength), **coloured),
            layers.RandomSaturation((0.5 - 0.15 * strength, 0.5 + 0.15 * strength), **coloured),
        ],
        "blur": lambda: [layers.RandomGaussianBlur((0.0, 0.5), kernel_size=7, sigma=(0.1, 1.5 * strength), **coloured)],
        "erasing": lambda: [
            layers.RandomErasing((0.5, 0.5), scale=(0.02, min(0.12 * strength, 0.4)), fill_value=128.0, **coloured)
        ],
        "invert": lambda: [layers.RandomInvert(0.5, **coloured)],
    }
    return [_savable(layer) for layer in makers[name]()]


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
