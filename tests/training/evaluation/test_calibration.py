from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.calibration import (
    calibrated,
    fit_temperature,
    prediction_sets,
    reliability,
    set_limit,
    shortfalls,
)


def honest(count: int, *, num_classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that mean what they say, and labels drawn by them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, num_classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random((count, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return labels, probabilities


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_network_that_is_too_sure_or_not_sure_enough_is_found_out(temperature: float) -> None:
    labels, probabilities = honest(4000)
    distorted = calibrated(probabilities, 1 / temperature)

    assert fit_temperature(labels, distorted) == pytest.approx(temperature, rel=0.06)


@given(st.integers(0, 50), st.floats(0.1, 10))
def test_a_temperature_changes_no_answer(seed: int, temperature: float) -> None:
    _, probabilities = honest(20, seed=seed)

    scaled = calibrated(probabilities, temperature)

    assert (scaled.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert scaled.sum(axis=1) == pytest.approx(1)


def test_a_temperature_of_one_leaves_a_single_answer_as_it_is() -> None:
    assert calibrated(np.array([0.7, 0.3, 0.0], np.float32), 1.0) == pytest.approx([0.7, 0.3, 0])


def test_a_few_pictures_answered_rightly_do_not_make_a_network_certain() -> None:
    probabilities = np.array([[0.8, 0.2]] * 6)

    assert 0.4 < fit_temperature(np.zeros(6, int), probabilities) < 1


def test_scaling_makes_the_calibration_error_small() -> None:
    labels, probabilities = honest(6000)
    too_sure = calibrated(probabilities, 0.4)
    half = len(labels) // 2

    scaled = calibrated(too_sure[half:], fit_temperature(labels[:half], too_sure[:half]))

    assert reliability(labels[half:], too_sure[half:]).error > 0.1
    assert reliability(labels[half:], scaled).error < 0.03


def test_the_calibration_error_is_the_one_counted_by_hand() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.6, 0.4], [0.6, 0.4]])

    figures = reliability(np.array([0, 1, 0, 0]), probabilities)

    assert figures.error == pytest.approx((2 * 0.45 + 2 * 0.4) / 4)
    assert [each.pictures for each in figures.bins if each.pictures] == [2, 2]
    assert (figures.bins[14].confidence, figures.bins[14].accuracy) == (pytest.approx(0.95), 0.5)


def test_few_pictures_show_an_error_even_where_every_probability_is_right() -> None:
    few, many = (reliability(*honest(count)) for count in (100, 10_000))

    assert few.by_chance > 0.05
    assert few.error == pytest.approx(few.by_chance, abs=0.04)
    assert many.by_chance < 0.02


def test_the_prediction_sets_hold_the_truth_as_often_as_they_say() -> None:
    labels, probabilities = honest(8000)

    sets = prediction_sets(labels[4000:], probabilities[4000:], labels[:4000], probabilities[:4000])

    assert sets.coverage == pytest.approx(0.9, abs=0.015)
    assert 1 < sets.mean_size < 4


def test_a_network_that_is_always_right_has_sets_of_one_or_none() -> None:
    labels, probabilities = honest(2000)
    labels = probabilities.argmax(axis=1)

    sets = prediction_sets(labels[1000:], probabilities[1000:], labels[:1000], probabilities[:1000])

    assert sets.coverage == pytest.approx(0.9, abs=0.03)
    assert sets.empty == pytest.approx(1 - sets.coverage, abs=0.001)


def test_too_few_pictures_let_every_class_into_the_sets() -> None:
    assert set_limit(*honest(8)) == 1
    assert set_limit(*honest(9)) < 1


def test_how_short_of_one_a_probability_falls_is_exact() -> None:
    assert shortfalls(np.array([1.0, 1e-20, 2e-20])) == pytest.approx([3e-20, 1, 1], rel=1e-9)
