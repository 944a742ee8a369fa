from __future__ import annotations

import math

import numpy as np
import pytest

from training.trainer.blending import best_share, blended

LABELS = np.random.default_rng(0).integers(0, 3, 300, dtype=np.int32)


def answers(right: float, seed: int) -> np.ndarray:
    """As often right as wanted, and as sure as that."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(LABELS), 3))
    is_right = rng.random(len(LABELS)) < right
    logits[is_right, LABELS[is_right]] += 3
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def test_two_that_err_elsewhere_answer_together() -> None:
    assert best_share(LABELS, answers(0.8, 1), answers(0.8, 2)) in (0.5, 1.0)


@pytest.mark.parametrize(("tuned", "start", "share"), [(0.99, 0.02, 0.0), (0.02, 0.99, math.inf)])
def test_one_that_knows_nothing_is_left_out(tuned: float, start: float, share: float) -> None:
    assert best_share(LABELS, answers(tuned, 1), answers(start, 2)) == share


def test_of_few_pictures_a_small_difference_decides_nothing() -> None:
    few = slice(0, 20)

    assert best_share(LABELS[few], answers(0.85, 1)[few], answers(0.8, 2)[few]) == 0.5


def test_a_blend_adds_logits() -> None:
    tuned, start = np.array([[0.9, 0.1]]), np.array([[0.2, 0.8]])

    assert blended(tuned, start, 1.0) == pytest.approx(np.array([[0.18, 0.08]]) / 0.26)
    assert blended(tuned, start, 0.0) == pytest.approx(tuned)
    assert (blended(tuned, start, math.inf) == start).all()


def test_probabilities_of_nothing_break_nothing() -> None:
    assert np.isfinite(blended(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 0.5)).all()
