from __future__ import annotations

from typing import Any

import pytest

from training.config import TrainingConfig
from training.config.augmentation import Colour, GaussianBlur, Move, Shear, Zoom, changes, changes_of
from training.config.choices import AUGMENTATIONS


def config(*names: str, **settings: Any) -> TrainingConfig:
    return TrainingConfig(augmentation=names, **settings)


def test_what_moves_pixels_comes_first_and_the_zoom_last_of_it() -> None:
    described = changes(config("blur", "zoom", "contrast", "shear"))

    moves = [each for each in described if isinstance(each, Move)]
    assert described[: len(moves)] == tuple(moves)
    assert [type(moves[0]), type(moves[-1])] == [Shear, Zoom]
    assert [type(each).__name__ for each in described[len(moves) :]] == ["GaussianBlur", "Contrast"]


def test_every_kind_is_described_and_without_any_there_is_nothing() -> None:
    assert all(changes_of(name, config()) for name in AUGMENTATIONS)
    assert changes(config()) == ()


@pytest.mark.parametrize("name", sorted(set(AUGMENTATIONS) - {"flip", "vertical_flip", "invert"}))
def test_more_strength_makes_a_change_stronger(name: str) -> None:
    assert changes_of(name, config()) != changes_of(name, config(augmentation_strength=2.0))


@pytest.mark.parametrize(("image_size", "strength"), [(32, 0.1), (48, 1.0), (224, 0.5), (512, 3.0)])
def test_the_kernel_of_a_blur_is_odd_and_holds_the_widest_of_its_gaussians(image_size: int, strength: float) -> None:
    (blur,) = changes_of("blur", config(image_size=image_size, augmentation_strength=strength))

    assert isinstance(blur, GaussianBlur)
    assert blur.kernel_size % 2 == 1
    assert blur.kernel_size >= 1 + 2 * 3 * blur.sigma[1]


@pytest.mark.parametrize("strength", [0.1, 1.0, 3.0])
def test_saturation_grows_and_shrinks_by_40_percent_at_strength_1(strength: float) -> None:
    (colour,) = changes_of("colour", config(augmentation_strength=strength))

    assert isinstance(colour, Colour)
    low, high = (share / (1 - share) for share in colour.saturation.factor)
    assert low == pytest.approx(max(0, 1 - 0.4 * strength))
    assert high == pytest.approx(1 + 0.4 * strength)
