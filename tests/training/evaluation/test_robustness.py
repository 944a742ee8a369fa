from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from training.evaluation.robustness import CORRUPTIONS, NUM_CORRUPTED, num_swept, sweep


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_every_corruption_changes_a_picture_more_the_stronger_it_is(kind: str, pixels: np.ndarray) -> None:
    corrupt, strengths = CORRUPTIONS[kind]
    smooth = np.repeat(np.repeat(pixels[::6, ::6], 6, axis=0), 6, axis=1)

    changed = [corrupt(smooth, strength, 1) for strength in strengths]

    distances = [np.abs(each.astype(int) - smooth).mean() for each in changed]
    assert all((each.shape, each.dtype) == (smooth.shape, np.uint8) for each in changed)
    assert 0 < distances[0] < distances[1]


def test_the_same_picture_gets_the_same_noise(pixels: np.ndarray) -> None:
    corrupt, _ = CORRUPTIONS["noise"]

    assert (corrupt(pixels, 10, 3) == corrupt(pixels, 10, 3)).all()
    assert (corrupt(pixels, 10, 3) != corrupt(pixels, 10, 4)).any()


def test_the_sweep_says_what_each_corruption_costs(pixels: np.ndarray) -> None:
    def is_bright(change: Any) -> Any:
        return np.array([int(change(pixels, i).mean() > 100) for i in range(4)])

    robustness = sweep(is_bright, np.ones(4, dtype=int))

    found = {(each.kind, each.strength): each.accuracy for each in robustness.corrupted}
    assert (robustness.pictures, robustness.accuracy) == (4, 1.0)
    assert len(found) == NUM_CORRUPTED
    assert (found["dark", 25], found["jpeg", 30]) == (0.0, 1.0)


@pytest.mark.parametrize(("available", "seconds", "count"), [(5000, 1e-4, 300), (5000, 1.0, 60), (40, 1.0, 40)])
def test_a_slow_network_is_tried_on_fewer_pictures(available: int, seconds: float, count: int) -> None:
    assert num_swept(available, seconds) == count
