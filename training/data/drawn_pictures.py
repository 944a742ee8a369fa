"""Drawn pictures that a network can be tried with where there are none."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from training.data.images import Pixels

CANVAS = 512  # side of the drawing, in its own units
FINER = 4  # times: it is drawn so much larger and averaged, which smooths its edges


def clock(side: int) -> Pixels:
    """A clock on a wall, as anybody would draw one: (side, side, 3)."""
    scale = FINER * side / CANVAS
    picture = Image.new("RGB", (FINER * side, FINER * side), (206, 196, 180))
    draw = ImageDraw.Draw(picture)
    for margin, colour in ((51, (40, 30, 25)), (72, (250, 250, 245))):
        draw.ellipse(
            [scale * margin, scale * margin, scale * (CANVAS - margin), scale * (CANVAS - margin)], fill=colour
        )
    for minute in range(60):
        is_hour = minute % 5 == 0
        _hand(draw, scale, minute / 60, (148 if is_hour else 169, 177), width=7 if is_hour else 2)
    _hand(draw, scale, 10.15 / 12, (0, 92), width=12)
    _hand(draw, scale, 9 / 60, (0, 138), width=8)
    draw.ellipse([scale * 246, scale * 246, scale * 266, scale * 266], fill="black")
    blocks = np.asarray(picture, np.float32).reshape(side, FINER, side, FINER, 3)
    return np.asarray(blocks.mean(axis=(1, 3)).round(), np.uint8)


def _hand(draw: ImageDraw.ImageDraw, scale: float, turn: float, reach: tuple[float, float], width: int) -> None:
    """A line from one distance to another, turned clockwise from the top by a share of a circle."""
    across, up = math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)
    ends = [(CANVAS / 2 + length * across, CANVAS / 2 - length * up) for length in reach]
    draw.line([scale * each for end in ends for each in end], fill="black", width=round(scale * width))


def variants(pixels: Pixels) -> Pixels:
    """A picture as it is, mirrored, upside down, turned, dark and as a negative: (6, side, side, 3)."""
    return np.stack([pixels, pixels[:, ::-1], pixels[::-1], pixels.transpose(1, 0, 2), pixels // 3, 255 - pixels])
