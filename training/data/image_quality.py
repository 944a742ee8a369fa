"""Pictures that teach little: dark, pale, blurred, blank, tiny or stretched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TINY = 24  # pixels of the smaller side
STRETCHED = 3  # times as long as wide
DARK, PALE = 25, 235  # mean brightness, 0-255
BLANK = 8  # standard deviation of the brightness
BLURRED = 12  # variance of the Laplacian, of a picture brought to one size

FLAWS = ("tiny", "stretched", "dark", "pale", "blank", "blurred")


def flaws(pixels: NDArray[np.uint8], width: int, height: int) -> list[str]:
    """What is wrong with a picture, of FLAWS; empty where nothing is.

    Args:
        pixels: (image_size, image_size, 3).
        width, height: of the picture as it is kept, in pixels.
    """
    grey = pixels.astype(np.float32).mean(-1)
    is_blank = grey.std() < BLANK
    found = {
        "tiny": min(width, height) < TINY,
        "stretched": max(width, height) > STRETCHED * min(width, height),
        "dark": grey.mean() < DARK,
        "pale": grey.mean() > PALE,
        "blank": is_blank,
        "blurred": not is_blank and sharpness(grey) < BLURRED and min(width, height) >= len(grey) // 2,
    }
    return [name for name in FLAWS if found[name]]


def sharpness(grey: NDArray[np.float32]) -> float:
    """Variance of the Laplacian of a grey picture (Pech-Pacheco et al. 2000): small where there are no edges."""
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((around - 4 * middle).var())
