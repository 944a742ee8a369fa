from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from tests import drawings
from training.config import TrainingConfig
from training.config.augmentation import changes_of
from training.config.choices import AUGMENTATIONS
from training.data.images import Pixels
from training.trainer.augmentation import changed, draw, moved

PICTURE = np.asarray(drawings.draw("square", 1).resize((40, 40)).convert("RGB"))


def config(*names: str, strength: float = 1.0) -> TrainingConfig:
    return TrainingConfig(augmentation=names, augmentation_strength=strength)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_changes_pictures_and_keeps_their_shape(name: str) -> None:
    copies = [changed(PICTURE, config(name), number) for number in range(8)]

    assert {(each.shape, str(each.dtype)) for each in copies} == {(PICTURE.shape, "uint8")}
    assert any((each != PICTURE).any() for each in copies)


def test_the_same_key_gives_the_same_changes_and_another_key_others() -> None:
    first, second, third = (changed(PICTURE, config(*AUGMENTATIONS), *key) for key in ((1, 2), (1, 2), (1, 3)))

    assert (first == second).all()
    assert (first != third).any()


def test_without_augmentation_a_picture_is_left_alone() -> None:
    assert changed(PICTURE, config(), 1) is PICTURE


def test_a_flip_mirrors_every_other_picture_exactly() -> None:
    copies = [changed(PICTURE, config("flip"), number) for number in range(40)]

    mirrored = [each for each in copies if (each == PICTURE[:, ::-1]).all()]
    assert all((each == PICTURE).all() or (each == PICTURE[:, ::-1]).all() for each in copies)
    assert 10 < len(mirrored) < 30


def test_the_map_that_moves_nothing_returns_the_same_pixels() -> None:
    assert (moved(PICTURE, np.eye(3)) == PICTURE).all()


def test_beyond_the_border_its_colours_go_on() -> None:
    white_frame = np.full((40, 40, 3), 255, np.uint8)
    white_frame[10:30, 10:30] = 0
    to_the_side = np.array([[1, 0, 0.3], [0, 1, 0], [0, 0, 1]])

    assert (moved(white_frame, to_the_side)[:, -6:] == 255).all()


def test_more_strength_turns_further() -> None:
    def widest(strength: float) -> float:
        (rotation,) = changes_of("rotation", config(strength=strength))
        return max(abs(draw(rotation, np.random.default_rng(n))["turn"]) for n in range(50))

    assert widest(2.0) > 1.5 * widest(1.0)


def test_the_border_goes_on_as_far_as_a_map_reaches() -> None:
    far_to_the_side = np.array([[1, 0, 5], [0, 1, 0], [0, 0, 1]])

    assert (moved(PICTURE, far_to_the_side) == PICTURE[:, -1:]).all()


def test_what_moves_pixels_brings_in_no_colour_that_was_not_there() -> None:
    moving = config("flip", "rotation", "translation", "shear", "zoom", strength=3.0)
    plain = np.full((40, 40, 3), (10, 120, 250), np.uint8)

    assert all((changed(plain, moving, number) == plain).all() for number in range(20))


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("flip", 1.0),
        ("vertical_flip", 1.0),
        ("rotation", 0.8),
        ("translation", 1.3),
        ("brightness", 0.5),
        ("invert", 1.0),
    ],
)
def test_what_agreed_with_the_layers_before_gives_the_same_pixels_as_before(name: str, strength: float) -> None:
    for number in range(20):
        now = changed(PICTURE, config(name, strength=strength), number)

        assert (now == as_before(name, strength, np.random.default_rng((1, number)))).all()


def as_before(name: str, strength: float, rng: np.random.Generator) -> Pixels:
    """PICTURE changed as up to November 2026, with the arithmetic of then."""
    if name == "invert":
        return 255 - PICTURE if rng.random() < 0.5 else PICTURE
    if name == "brightness":
        offset = rng.uniform(-0.15, 0.15) * strength * 255
        return (np.arange(256) + offset).clip(0, 255).astype(np.uint8)[PICTURE]
    by = np.eye(3)
    if name in ("flip", "vertical_flip"):
        axis = 0 if name == "flip" else 1
        by[axis, axis] = -1 if rng.random() < 0.5 else 1
    elif name == "rotation":
        angle = rng.uniform(-0.1, 0.1) * math.pi * strength
        by[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    else:
        by[:2, 2] = rng.uniform(-0.3, 0.3, 2) * strength
    wide = Image.fromarray(np.pad(PICTURE, ((10, 10), (10, 10), (0, 0)), mode="edge"))
    to_halves = np.array([[1 / 20, 0, -1], [0, 1 / 20, -1], [0, 0, 1]])
    to_pixels = np.array([[20, 0, 30], [0, 20, 30], [0, 0, 1]])
    coefficients = (to_pixels @ by @ to_halves)[:2].ravel().tolist()
    return np.asarray(wide.transform((40, 40), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR))
