from __future__ import annotations

import numpy as np
import pytest

from training.data.image_quality import flaws
from training.evaluation.label_errors import find_label_errors, out_of_fold
from training.library.review import leak_report


def two_clouds(count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count, dtype=np.int32) % 2
    noise = np.random.default_rng(1).normal(size=(count, 6)).astype(np.float32)
    return noise + 4 * labels[:, None], labels


def test_a_wrong_label_comes_first() -> None:
    features, labels = two_clouds(100)
    labels[7] = 1 - labels[7]

    found = find_label_errors(labels, out_of_fold(features, labels, [str(number) for number in range(100)]))

    assert (found[0].position, found[0].answer) == (7, 1 - labels[7])


def test_what_a_near_duplicate_would_give_away_is_not_learned() -> None:
    """Two pictures of each group with labels of pure chance: only a leak could tell them."""
    rng = np.random.default_rng(1)
    features = np.repeat(rng.normal(size=(60, 400)), 2, axis=0).astype(np.float32)
    labels = np.repeat(rng.integers(0, 2, 60), 2).astype(np.int32)
    groups = [str(number // 2) for number in range(120)]

    grouped = out_of_fold(features, labels, groups)
    report = leak_report(features, labels, groups, grouped)

    assert report.naive > report.grouped + 0.2


@pytest.mark.parametrize(
    ("pixels", "size", "expected"),
    [
        (np.full((64, 64, 3), 250), (64, 64), ["pale", "blank"]),
        (np.tile(np.linspace(60, 190, 64)[:, None, None], (1, 64, 3)), (640, 640), ["blurred"]),
        (np.random.default_rng(1).integers(0, 256, (64, 64, 3)), (20, 90), ["tiny", "stretched"]),
        (np.random.default_rng(1).integers(0, 256, (64, 64, 3)), (200, 200), []),
    ],
)
def test_bad_pictures_are_told_by_what_is_wrong(pixels: np.ndarray, size: tuple[int, int], expected: list[str]) -> None:
    assert flaws(pixels.astype(np.uint8), *size) == expected
