"""The random changes of the training pictures: which of Keras's random layers, and how far each goes.

The trainer draws from this what it does to a picture, and the layers in the H5 are built of it: what a file says is
what its network was trained with. A class is a layer without its "Random", its fields are the layer's arguments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from training.config.training_config import TrainingConfig

Range: TypeAlias = tuple[float, float]

PIXEL_RANGE: Range = (0, 255)
HALF_OF_THEM: Range = (0.5, 0.5)  # the layers draw a probability from a range; ours is one value
GREY = 128.0
SIGMAS = 3  # that a kernel reaches to either side: 99.7 % of a Gaussian


class Move:
    """Moves pixels and leaves their colours as they are; beyond the border the border's colours go on."""


@dataclass(frozen=True)
class Flip(Move):
    mode: str  # "horizontal" or "vertical"


@dataclass(frozen=True)
class Rotation(Move):
    factor: Range  # of a full turn
    fill_mode: str = "nearest"


@dataclass(frozen=True)
class Zoom(Move):
    height_factor: Range  # of the side, what is seen more of: below 0 it is closer
    width_factor: Range
    fill_mode: str = "nearest"


@dataclass(frozen=True)
class Translation(Move):
    height_factor: Range  # of the side
    width_factor: Range
    fill_mode: str = "nearest"


@dataclass(frozen=True)
class Shear(Move):
    x_factor: Range  # of its distance to the first row, how far a row moves; to either side
    fill_mode: str = "nearest"


@dataclass(frozen=True)
class Contrast:
    factor: Range  # how far below and how far above 1; about the mean of each channel
    value_range: Range = PIXEL_RANGE


@dataclass(frozen=True)
class Brightness:
    factor: Range  # of white
    value_range: Range = PIXEL_RANGE


@dataclass(frozen=True)
class Hue:
    factor: Range  # of half of its circle, to either side
    value_range: Range = PIXEL_RANGE


@dataclass(frozen=True)
class Saturation:
    factor: Range  # f makes it f / (1 - f) times as much
    value_range: Range = (0, 1)  # of saturation; with that of pixels it would grow beyond 1, and pixels fall below 0


@dataclass(frozen=True)
class Colour:
    """Two layers, whose work on a pixel is done at once."""

    hue: Hue
    saturation: Saturation


@dataclass(frozen=True)
class GaussianBlur:
    factor: Range  # how probable it is
    kernel_size: int  # in pixels, odd; what lies beyond the border counts as black
    sigma: Range  # in pixels, for rows and columns each
    value_range: Range = PIXEL_RANGE


@dataclass(frozen=True)
class Erasing:
    factor: Range  # how probable it is
    scale: Range  # of the picture; height and width are the roots of a share each
    fill_value: float = GREY
    value_range: Range = PIXEL_RANGE


@dataclass(frozen=True)
class Invert:
    factor: Range  # how probable it is
    value_range: Range = PIXEL_RANGE


Change: TypeAlias = (
    Flip | Rotation | Zoom | Translation | Shear | Contrast | Brightness | Colour | GaussianBlur | Erasing | Invert
)


@lru_cache(maxsize=16)
def changes(config: TrainingConfig) -> tuple[Change, ...]:
    """All changes of a config in their order: what moves pixels, the zoom last of it, then the rest, each as listed.

    What moves pixels is done in one sampling, while layers sample one after the other and lose at the border what the
    next would have brought back; a zoom, mostly closer, leaves that out of sight.
    """
    kinds = [changes_of(name, config) for name in config.augmentation]
    kinds.sort(key=lambda some: (not isinstance(some[-1], Move), isinstance(some[-1], Zoom)))
    return tuple(change for some in kinds for change in some)


def changes_of(name: str, config: TrainingConfig) -> tuple[Change, ...]:
    """One kind of augmentation, as strong as the config says. At strength 1:

    turned by up to 18°; moved by up to a sixteenth of the side and zoomed up to a quarter closer or a sixteenth wider,
    height and width each; moved by up to 15 % of the side; sheared by up to 7°; contrast by up to 20 %;
    brightness by up to 15 % of white; hue by up to 2.5 % of its circle, saturation by up to 40 %; a half of them
    flipped, a half blurred by up to 4 % of the side, of a half up to an eighth erased, a half inverted.
    """
    strength = config.augmentation_strength
    if name == "flip":
        return (Flip("horizontal"),)
    if name == "vertical_flip":
        return (Flip("vertical"),)
    if name == "rotation":
        return (Rotation(_either_way(0.05 * strength)),)
    if name == "zoom":
        return _zoom(min(0.25 * strength, 0.6))
    if name == "translation":
        return (Translation(_either_way(0.15 * strength), _either_way(0.15 * strength)),)
    if name == "shear":
        return (Shear((0, 0.125 * strength)),)
    if name == "contrast":
        return (Contrast((0.2 * strength, 0.2 * strength)),)
    if name == "brightness":
        return (Brightness(_either_way(0.15 * strength)),)
    if name == "colour":
        return (_colour(strength),)
    if name == "blur":
        return (_blur(0.04 * strength * config.image_size),)
    if name == "erasing":
        return (Erasing(HALF_OF_THEM, scale=(0.02, min(0.12 * strength, 0.4))),)
    return (Invert(HALF_OF_THEM),)


def _either_way(most: float) -> Range:
    return (-most, most)


def _zoom(closest: float) -> tuple[Translation, Zoom]:
    """Somewhere else and then mostly closer, a little wider or narrower: much as a random crop."""
    place, zoom = _either_way(closest / 4), (-closest, closest / 4)
    return Translation(place, place), Zoom(zoom, zoom)


def _colour(strength: float) -> Colour:
    times = (max(0, 1 - 0.4 * strength), 1 + 0.4 * strength)
    low, high = (each / (1 + each) for each in times)
    return Colour(Hue((0, 0.05 * strength)), Saturation((low, high)))


def _blur(largest: float) -> GaussianBlur:
    """Out of focus, or from afar."""
    return GaussianBlur(HALF_OF_THEM, kernel_size=2 * math.ceil(SIGMAS * largest) + 1, sigma=(0, largest))
