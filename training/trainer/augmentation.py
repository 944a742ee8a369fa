"""Random changes of the training pictures: what the network's own augmentation layers say, in a fraction of their time.

All that moves pixels is one affine map, so a picture is sampled once however many changes are chosen. The changes
depend on the seed, the epoch and the picture alone: a training that was broken off goes on with the very same ones.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from training.config import TrainingConfig
from training.data.images import Pixels

Chance = np.random.Generator
Matrix = NDArray[np.float64]  # (3, 3), from a place in the new picture to one in the old, in halves of its side

MARGIN = 1 / 4  # of the side: how far the colours of the border go on beyond it
MOVING = frozenset({"flip", "vertical_flip", "rotation", "zoom", "translation", "shear"})
GREY = 128
EVERY = 4  # pixel of every row and column that a mean colour is taken from: a mean of all takes as long as the sampling


def changed(pixels: Pixels, config: TrainingConfig, *key: int) -> Pixels:
    """A randomly changed copy of one picture, the same whenever seed and key are.

    Args:
        pixels: (image_size, image_size, 3).
        key: what the changes depend on beside the seed, such as epoch and position.
    """
    if not config.augmentation:
        return pixels
    chance = np.random.default_rng((config.seed, *key))
    if MOVING.intersection(config.augmentation):
        pixels = moved(pixels, random_map(config, chance))
    for name in config.augmentation:
        if name not in MOVING:
            pixels = _coloured(pixels, name, config.augmentation_strength, chance)
    return pixels


def random_map(config: TrainingConfig, chance: Chance) -> Matrix:
    """The affine map of all changes that move pixels, as strong as the layers of the same names make them."""
    strength = config.augmentation_strength
    total = np.eye(3)
    for name in config.augmentation:
        if name in MOVING:
            total = total @ _map_of(name, strength, chance)
    return total


def _map_of(name: str, strength: float, chance: Chance) -> Matrix:
    if name in ("flip", "vertical_flip"):
        sign = -1 if chance.random() < 0.5 else 1
        return np.diag([sign, 1, 1] if name == "flip" else [1, sign, 1]).astype(np.float64)
    if name == "rotation":
        angle = chance.uniform(-0.1, 0.1) * math.pi * strength
        return _matrix(math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle))
    if name == "zoom":
        return _zoom(min(0.25 * strength, 0.6), chance)
    if name == "translation":
        return _matrix(1, 0, 0, 1, *chance.uniform(-0.3, 0.3, 2) * strength)
    return _matrix(1, chance.uniform(-0.25, 0.25) * strength, 0, 1)  # shear


def _zoom(most: float, chance: Chance) -> Matrix:
    """Mostly closer, at a random place, and a little wider or narrower: a random crop that keeps nearly all shapes."""
    scale = chance.uniform(1 - most, 1 + most / 4)
    stretch = math.exp(chance.uniform(-most, most) / 2)
    across, down = scale * stretch, scale / stretch
    places = chance.uniform(-1, 1, 2) * (abs(1 - across), abs(1 - down))
    return _matrix(across, 0, 0, down, *places)


def _matrix(a: float, b: float, c: float, d: float, right: float = 0, down: float = 0) -> Matrix:
    return np.array([[a, b, right], [c, d, down], [0, 0, 1]], dtype=np.float64)


def moved(pixels: Pixels, by: Matrix) -> Pixels:
    """Sample a picture once at the places that a map gives; beyond its border the border's colours go on.

    Args:
        pixels: (side, side, 3).
    """
    side = pixels.shape[0]
    margin = math.ceil(side * MARGIN)
    wide = Image.fromarray(np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge"))
    half = side / 2
    to_halves = _matrix(1 / half, 0, 0, 1 / half, -1, -1)
    to_pixels = _matrix(half, 0, 0, half, half + margin, half + margin)
    coefficients = (to_pixels @ by @ to_halves)[:2].ravel().tolist()
    mean = tuple(int(each) for each in _some_of(pixels).mean(axis=(0, 1)))
    picture = wide.transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR, fillcolor=mean
    )
    return np.asarray(picture)


def _some_of(pixels: Pixels) -> Pixels:
    """Enough of them for a mean colour."""
    return pixels[::EVERY, ::EVERY]


def _coloured(pixels: Pixels, name: str, strength: float, chance: Chance) -> Pixels:
    if name == "invert":
        return 255 - pixels if chance.random() < 0.5 else pixels
    if name == "blur":
        return _blurred(pixels, 0.04 * strength, chance)
    if name == "erasing":
        return _erased(pixels, min(0.12 * strength, 0.4), chance)
    if name == "colour":
        return _tinted(pixels, strength, chance)
    if name == "contrast":
        return _table(pixels, chance.uniform(1 - 0.2 * strength, 1 + 0.2 * strength), 0, float(_some_of(pixels).mean()))
    return _table(pixels, 1, chance.uniform(-0.15, 0.15) * strength * 255, 0)  # brightness


def _table(pixels: Pixels, factor: float, offset: float, centre: float) -> Pixels:
    """Every value stretched from a centre and moved, through a table of all 256."""
    values = (np.arange(256) - centre) * factor + centre + offset
    return values.clip(0, 255).astype(np.uint8)[pixels]


def _tinted(pixels: Pixels, strength: float, chance: Chance) -> Pixels:
    """Saturation changed by up to 40 %, then each of red, green and blue by up to 5 %, as a lamp's colour does."""
    saturation = chance.uniform(1 - 0.4 * strength, 1 + 0.4 * strength)
    saturated = np.asarray(ImageEnhance.Color(Image.fromarray(pixels)).enhance(saturation))
    factors = chance.uniform(1 - 0.05 * strength, 1 + 0.05 * strength, 3)
    channels = [_table(saturated[..., i], factors[i], 0, 0) for i in range(3)]
    return np.stack(channels, axis=-1)


def _blurred(pixels: Pixels, most: float, chance: Chance) -> Pixels:
    """In a half of the pictures out of focus, or from afar, by up to a share of the side."""
    if chance.random() < 0.5:
        return pixels
    radius = chance.uniform(0, most) * pixels.shape[0]
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def _erased(pixels: Pixels, most: float, chance: Chance) -> Pixels:
    """In a half of the pictures a grey rectangle covers up to a share of it."""
    if chance.random() < 0.5:
        return pixels
    side, stretch = pixels.shape[0], math.exp(chance.uniform(-0.5, 0.5))
    length = side * math.sqrt(chance.uniform(0.02, most))
    high, wide = (max(1, min(side, round(each))) for each in (length * stretch, length / stretch))
    top, left = chance.integers(0, side - high + 1), chance.integers(0, side - wide + 1)
    copy = pixels.copy()
    copy[top : top + high, left : left + wide] = GREY
    return copy
