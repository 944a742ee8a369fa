from __future__ import annotations

import colorsys

import numpy as np
import pytest

from training.trainer.recolouring import Box, blurred, contrasted, erased, tinted

NOISE = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize(("hue", "saturation"), [(0, 1), (0.02, 1), (-0.15, 0.4), (1 / 6, 1.8), (0.07, 0), (0, 4)])
def test_a_tint_is_what_hsv_makes_of_it(hue: float, saturation: float) -> None:
    picture = NOISE.copy()
    picture[0] = np.arange(24)[:, None]  # grey has no hue
    picture[1, :, 0] = picture[1, :, 1]  # two channels alike

    in_hsv = [colorsys.rgb_to_hsv(*each) for each in picture.reshape(-1, 3) / 255]
    expected = [colorsys.hsv_to_rgb((h + hue) % 1, min(1, s * saturation), v) for h, s, v in in_hsv]

    assert tinted(picture, hue, saturation).reshape(-1, 3) == pytest.approx(255 * np.array(expected), abs=0.51)


def test_contrast_leaves_the_mean_of_each_channel() -> None:
    low = NOISE // 2 + 60

    assert contrasted(low, 1.3).mean((0, 1)) == pytest.approx(low.mean((0, 1)), abs=0.1)
    assert contrasted(low, 1.3).std((0, 1)) == pytest.approx(1.3 * low.std((0, 1)), rel=0.01)


def test_a_blur_takes_its_sigmas_down_and_across() -> None:
    dot = np.zeros((25, 25, 3), np.uint8)
    dot[12, 12] = 255

    spread = blurred(dot, 13, down=2.0, across=0.5)

    assert (spread[12, 10:15, 0] > 0).sum() == 3
    assert (spread[:, 12, 0] > 0).sum() == 11
    assert spread.sum(dtype=int) == pytest.approx(dot.sum(dtype=int), rel=0.05)


def test_what_is_hardly_blurred_stays_as_it_is() -> None:
    assert (blurred(NOISE, 13, down=0, across=1e-9) == NOISE).all()


def test_a_box_is_filled_and_the_picture_itself_left_alone() -> None:
    before = NOISE.copy()

    copy = erased(NOISE, Box(left=0.25, top=0.5, width=0.5, height=0.25), 128)

    assert (copy[12:18, 6:18] == 128).all()
    assert (copy[:12] == NOISE[:12]).all()
    assert (before == NOISE).all()
