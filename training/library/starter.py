"""The recognizer that a fresh installation starts with: handwritten digits, from pictures that scikit-learn ships.

The source is Alpaydin and Kaynak's "Optical Recognition of Handwritten Digits" (UCI, 1998; CC BY 4.0): 1,797 digits of
13 writers, each as 8 x 8 counts of ink.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from training.config import TrainingConfig

SIDE = 64  # of a picture, in pixels
HEIGHTS = (36, 48)  # of a digit, in pixels
CELL = 8  # pixels that one of the 8 x 8 counts becomes before the stroke is drawn
FULL_INK = 16
PENS = (0.35, 0.65)  # share of ink from which a pixel is inside the stroke: from a broad pen to a fine one
EDGE = 3  # how steeply a stroke's edge rises

STARTER_CONFIG = TrainingConfig.for_network(
    "lenet5",
    {
        "epochs": 100,
        # Pictures of other people, on paper as on a blackboard, anywhere in the frame
        "augmentation": ("rotation", "zoom", "translation", "shear", "invert"),
    },
)


def digit_pictures() -> Iterator[tuple[str, str, bytes]]:
    """File name, label key ("0" to "9") and PNG bytes of each digit; all differ.

    As with strangers' drawings, pen, size and place vary, and half are dark on light; so the pictures held back for
    validation ask for what visitors will.
    """
    from sklearn.datasets import load_digits  # half a second, only here

    digits = load_digits()
    for number, (ink, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        rng = random.Random(number)  # noqa: S311
        picture = _placed(_drawn(ink, rng.uniform(*PENS)), rng)
        file = io.BytesIO()
        (ImageOps.invert(picture) if rng.random() < 0.5 else picture).save(file, "PNG")
        yield f"digit-{number:04}.png", str(digit), file.getvalue()


def _drawn(ink: NDArray[np.floating[Any]], pen: float) -> Image.Image:
    """Counts of ink, shape (8, 8), as somebody might have drawn them: smooth strokes with an edge, a rim around them.

    Enlarged alone they would be a blur, and a network trained on blurs does not read what has an edge.
    """
    cells = Image.fromarray(np.uint8(255 * np.pad(ink, 1) / FULL_INK))
    smooth = cells.resize((CELL * cells.width, CELL * cells.height), Image.Resampling.BICUBIC)
    stroke = (np.asarray(smooth) / 255 - pen) * EDGE + 0.5
    return Image.fromarray(np.uint8(255 * stroke.clip(0, 1)))


def _placed(digit: Image.Image, rng: random.Random) -> Image.Image:
    """The digit in a dark square, somewhere near its middle."""
    side = round(rng.uniform(*HEIGHTS) * 10 / 8)  # with the rim
    free = SIDE - side
    picture = Image.new("L", (SIDE, SIDE))
    left, top = (free // 2 + round(rng.uniform(-3, 3)) for _ in range(2))
    picture.paste(digit.resize((side, side), Image.Resampling.BOX), (left, top))
    return picture
