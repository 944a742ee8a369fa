from __future__ import annotations

import numpy as np
import pytest

from training.config.choices import CLASS_WEIGHTS
from training.trainer.class_weights import POWERS, class_weights

UNEVEN = np.array([0] * 9 + [1])


@pytest.mark.parametrize(("kind", "times"), [("none", 1), ("square_root", 3), ("balanced", 9)])
def test_a_picture_of_a_small_class_counts_more(kind: str, times: float) -> None:
    weights = class_weights(kind, UNEVEN, 2)

    assert weights[UNEVEN].sum() == pytest.approx(10)
    assert weights[1] == pytest.approx(times * weights[0])


@pytest.mark.parametrize("kind", CLASS_WEIGHTS)
def test_of_classes_of_one_size_each_picture_counts_one(kind: str) -> None:
    assert class_weights(kind, np.array([0, 1, 2, 0, 1, 2]), 3).tolist() == [1, 1, 1]


def test_every_choice_is_known() -> None:
    assert tuple(POWERS) == CLASS_WEIGHTS


def test_a_class_without_pictures_is_no_error() -> None:
    assert np.isfinite(class_weights("balanced", np.array([0, 0, 2]), 3)).all()
