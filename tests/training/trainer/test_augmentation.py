from __future__ import annotations

import numpy as np
import pytest

from tests.drawings import draw
from training.config import TrainingConfig
from training.config.choices import AUGMENTATIONS
from training.trainer.augmentation import changed, moved, random_map

PICTURE = np.asarray(draw("square", 1).resize((40, 40)).convert("RGB"))


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
        turns = [random_map(config("rotation", strength=strength), np.random.default_rng(n))[1, 0] for n in range(50)]
        return float(np.abs(turns).max())

    assert widest(2.0) > 1.5 * widest(1.0)
