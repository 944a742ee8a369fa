"""How a network does on the same pictures, corrupted as cameras, hands and messengers corrupt them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from training.data.images import Pixels, jpeg_round_trip
from training.results.stored import also

MOST_PICTURES = 300
FEWEST_PICTURES = 60
SECONDS = 4.0  # for all corruptions together, where that many pictures can be answered in it


@dataclass(frozen=True)
class Corrupted:
    """One corruption; `strength` is in the unit that `CORRUPTIONS` gives for its kind."""

    kind: str
    strength: float
    accuracy: float


@dataclass(frozen=True)
class Robustness:
    """Accuracy on some of the test pictures, as they are and corrupted."""

    pictures: int
    accuracy: float
    corrupted: list[Corrupted] = field(metadata=also("disturbed"))


def blur(pixels: Pixels, percent: float, _number: int) -> Pixels:
    """Gaussian blur with a standard deviation in percent of the side."""
    radius = pixels.shape[0] * percent / 100
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def darken(pixels: Pixels, percent: float, _number: int) -> Pixels:
    """Leave so many percent of the light."""
    return (pixels * (percent / 100)).astype(np.uint8)


def rotate(pixels: Pixels, degrees: float, number: int) -> Pixels:
    """Turn every other picture to the left, the rest to the right; the corners take the picture's mean colour."""
    mean = tuple(int(each) for each in pixels.mean(axis=(0, 1)))
    turned = Image.fromarray(pixels).rotate(
        degrees if number % 2 else -degrees, Image.Resampling.BILINEAR, fillcolor=mean
    )
    return np.asarray(turned)


def add_noise(pixels: Pixels, deviation: float, number: int) -> Pixels:
    """Add normal noise of a standard deviation in steps of 256, the same for a picture's number."""
    noise = np.random.default_rng(number).standard_normal(pixels.shape, dtype=np.float32) * deviation
    return (pixels + noise).clip(0, 255).astype(np.uint8)


def compress(pixels: Pixels, quality: float, _number: int) -> Pixels:
    """Save it as a JPEG of a quality and open it again."""
    return jpeg_round_trip(pixels, int(quality))


Corrupt = Callable[[Pixels, float, int], Pixels]
CORRUPTIONS: dict[str, tuple[Corrupt, tuple[float, ...]]] = {
    "blur": (blur, (0.5, 1.5)),  # percent of the side
    "dark": (darken, (50, 25)),  # percent of the light
    "rotate": (rotate, (10, 30)),  # degrees
    "jpeg": (compress, (30, 10)),  # quality
    "noise": (add_noise, (10, 25)),  # of 255
}
NUM_CORRUPTED = sum(len(strengths) for _, strengths in CORRUPTIONS.values())


def num_swept(available: int, seconds_a_picture: float) -> int:
    """How many test pictures the corruptions are tried on: as many as their time allows, within limits."""
    fitting = int(SECONDS / (NUM_CORRUPTED * max(seconds_a_picture, 1e-6)))
    return min(available, max(FEWEST_PICTURES, min(MOST_PICTURES, fitting)))


def sweep(
    answer: Callable[[Callable[[Pixels, int], Pixels]], NDArray[np.intp]], labels: NDArray[np.integer[Any]]
) -> Robustness:
    """Corrupt the pictures in every way and strength.

    Args:
        answer: takes how to change a picture, given with its number, and returns the (n,) classes then answered.
        labels: (n,) class indices.
    """

    def accuracy(corrupt: Corrupt, strength: float) -> float:
        return float((answer(lambda pixels, number: corrupt(pixels, strength, number)) == labels).mean())

    corrupted = [
        Corrupted(kind, strength, accuracy(corrupt, strength))
        for kind, (corrupt, strengths) in CORRUPTIONS.items()
        for strength in strengths
    ]
    return Robustness(len(labels), accuracy(_leave, 0), corrupted)


def _leave(pixels: Pixels, _strength: float, _number: int) -> Pixels:
    return pixels
