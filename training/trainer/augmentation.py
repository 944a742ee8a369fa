"""Random changes of the training pictures: what the layers in the H5 do, in a fraction of their time.

Both follow `training/config/augmentation.py`. All that moves pixels is one affine map, so a picture is sampled once
however many changes are chosen. The changes depend on the seed, the epoch and the picture alone: a training that was
broken off goes on with the very same ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.config import TrainingConfig
from training.config.augmentation import (
    Brightness,
    Change,
    Colour,
    Contrast,
    Erasing,
    Flip,
    GaussianBlur,
    Invert,
    Move,
    Range,
    Rotation,
    Shear,
    Translation,
    Zoom,
    changes,
)
from training.data.images import Pixels
from training.trainer.recolouring import Box, blurred, brighter, contrasted, erased, tinted

Rng: TypeAlias = np.random.Generator
Drawn: TypeAlias = dict[str, float]  # what one picture gets of a change
Matrix: TypeAlias = NDArray[np.float64]
"""(3, 3), from a place in the new picture to one in the old, in halves of the side."""


def changed(pixels: Pixels, config: TrainingConfig, *key: int) -> Pixels:
    """A randomly changed copy of one picture, the same whenever seed and key are.

    Args:
        pixels: (image_size, image_size, 3).
        key: what the changes depend on beside the seed, such as epoch and position.
    """
    if not config.augmentation:
        return pixels
    rng = np.random.default_rng((config.seed, *key))
    return apply([(change, draw(change, rng)) for change in changes(config)], pixels)


def apply(settled: Sequence[tuple[Change, Drawn]], pixels: Pixels) -> Pixels:
    """One picture after changes with what was drawn for each; those that move pixels first, in one sampling."""
    maps = [_map_of(change, drawn, len(pixels)) for change, drawn in settled if isinstance(change, Move)]
    if maps:
        pixels = moved(pixels, reduce(np.matmul, maps))
    for change, drawn in settled:
        if not isinstance(change, Move):
            pixels = _recoloured(pixels, change, drawn)
    return pixels


def draw(change: Change, rng: Rng) -> Drawn:
    """What one picture gets of a change, drawn from the distribution that the layer draws from."""
    match change:
        case Flip():
            return {"flips": rng.random() < 0.5}
        case Rotation():
            return {"turn": rng.uniform(*change.factor)}
        case Zoom():
            return {"height": 1 + rng.uniform(*change.height_factor), "width": 1 + rng.uniform(*change.width_factor)}
        case Translation():
            width, height = (_from_the_end(factor, rng) for factor in (change.width_factor, change.height_factor))
            return {"width": width, "height": height}
        case Shear():
            return {"shear": _to_either_side(change.x_factor, rng)}
        case Contrast():
            return {"factor": rng.uniform(1 - change.factor[0], 1 + change.factor[1])}
        case Brightness():
            return {"delta": rng.uniform(*change.factor)}
        case Colour():
            hue, share = _to_either_side(change.hue.factor, rng) / 2, rng.uniform(*change.saturation.factor)
            return {"hue": hue, "saturation": share / (1 - share)}
        case GaussianBlur():
            applies = _applies(change.factor, rng)
            return {"applies": applies, "across": rng.uniform(*change.sigma), "down": rng.uniform(*change.sigma)}
        case Erasing():
            width, height = (math.sqrt(rng.uniform(*change.scale)) for _ in range(2))
            left, top = (rng.random() * (1 - length) for length in (width, height))
            applies = _applies(change.factor, rng)
            return {"applies": applies, "left": left, "top": top, "width": width, "height": height}
        case Invert():
            return {"applies": _applies(change.factor, rng)}


def _to_either_side(factor: Range, rng: Rng) -> float:
    low, high = factor
    place = rng.uniform(-1, 1)
    return math.copysign(low + (high - low) * abs(place), place)


def _from_the_end(factor: Range, rng: Rng) -> float:
    """Uniform like the others, but so that a translation goes where the same seed always sent it."""
    low, high = factor
    return -rng.uniform(-high, -low)


def _applies(factor: Range, rng: Rng) -> bool:
    """The layers draw the probability from its range first; ours are of one value."""
    return rng.random() < factor[0]


def _map_of(change: Move, drawn: Drawn, side: int) -> Matrix:
    match change:
        case Flip():
            sign = -1 if drawn["flips"] else 1
            return _matrix(sign, 0, 0, 1) if change.mode == "horizontal" else _matrix(1, 0, 0, sign)
        case Rotation():
            angle = drawn["turn"] * 2 * math.pi
            return _matrix(math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle))
        case Zoom():
            return _matrix(drawn["width"], 0, 0, drawn["height"])
        case Translation():
            return _matrix(1, 0, 0, 1, -2 * drawn["width"], -2 * drawn["height"])
        case Shear():
            to_first_row = 1 - 1 / side
            return _matrix(1, drawn["shear"], 0, 1, right=drawn["shear"] * to_first_row)
    raise TypeError(change)


def _matrix(a: float, b: float, c: float, d: float, right: float = 0, down: float = 0) -> Matrix:
    return np.array([[a, b, right], [c, d, down], [0, 0, 1]], dtype=np.float64)


def moved(pixels: Pixels, by: Matrix) -> Pixels:
    """Sample a picture once at the places that a map gives; beyond its border the border's colours go on.

    Args:
        pixels: (side, side, 3).
    """
    side = len(pixels)
    half = side / 2
    reach = float(np.abs(by[:2]).sum(axis=1).max())  # how far from the middle the farthest place lies
    margin = 1 + max(0, math.ceil(half * (reach - 1)))
    to_halves = _matrix(1 / half, 0, 0, 1 / half, -1, -1)
    to_pixels = _matrix(half, 0, 0, half, half + margin, half + margin)
    coefficients = (to_pixels @ by @ to_halves)[:2].ravel().tolist()
    wide = Image.fromarray(_with_border(pixels, margin))
    return np.asarray(wide.transform((side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR))


def _with_border(pixels: Pixels, margin: int) -> Pixels:
    """What np.pad makes of it in the mode "edge", in half of the time."""
    side = len(pixels)
    wide = np.empty((side + 2 * margin, side + 2 * margin, 3), np.uint8)
    rows = wide[margin : margin + side]
    rows[:, margin : margin + side] = pixels
    rows[:, :margin], rows[:, margin + side :] = pixels[:, :1], pixels[:, -1:]
    wide[:margin], wide[margin + side :] = rows[0], rows[-1]
    return wide


def _recoloured(pixels: Pixels, change: Change, drawn: Drawn) -> Pixels:
    match change:
        case Contrast():
            return contrasted(pixels, drawn["factor"])
        case Brightness():
            return brighter(pixels, drawn["delta"])
        case Colour():
            return tinted(pixels, drawn["hue"], drawn["saturation"])
    if not drawn["applies"]:
        return pixels
    match change:
        case GaussianBlur():
            return blurred(pixels, change.kernel_size, drawn["down"], drawn["across"])
        case Erasing():
            return erased(pixels, Box(*(drawn[name] for name in Box._fields)), change.fill_value)
    return 255 - pixels
