from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.metrics import evaluation_of, thinned, top_k_accuracy, wilson_interval

ANSWERS = {"cat": (0.8, 0.1, 0.1), "dog": (0.2, 0.7, 0.1), "owl": (0.1, 0.2, 0.7)}
NAMES = list(ANSWERS)


def answered(*pairs: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of pictures given as (truth, answer)."""
    return np.array([NAMES.index(truth) for truth, _ in pairs]), np.array([ANSWERS[answer] for _, answer in pairs])


def test_the_figures_are_those_counted_by_hand() -> None:
    pairs = [("cat", "cat"), ("cat", "cat"), ("cat", "dog"), ("dog", "dog"), ("owl", "cat")]

    evaluation = evaluation_of(*answered(*pairs), NAMES)

    cat, dog, owl = evaluation.classes
    assert (evaluation.pictures, evaluation.accuracy) == (5, pytest.approx(0.6))
    assert (cat.precision, cat.recall, cat.support) == (pytest.approx(2 / 3), pytest.approx(2 / 3), 3)
    assert (dog.precision, dog.recall, dog.f1) == (0.5, 1, pytest.approx(2 / 3))
    assert (owl.precision, owl.recall, owl.f1) == (0, 0, 0)


def test_a_row_of_the_confusion_is_the_truth_and_a_column_the_answer() -> None:
    evaluation = evaluation_of(*answered(("cat", "dog"), ("cat", "dog"), ("owl", "owl")), NAMES)

    assert evaluation.confusion == [[0, 2, 0], [0, 0, 0], [0, 0, 1]]


def test_a_class_without_pictures_is_there_with_nothing() -> None:
    evaluation = evaluation_of(*answered(("cat", "cat")), NAMES)

    assert [each.support for each in evaluation.classes] == [1, 0, 0]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=1))
def test_the_figures_agree_with_one_another(pairs: list[tuple[str, str]]) -> None:
    evaluation = evaluation_of(*answered(*pairs), NAMES)

    assert sum(map(sum, evaluation.confusion)) == evaluation.pictures == len(pairs)
    assert evaluation.accuracy == pytest.approx(np.trace(evaluation.confusion) / len(pairs))
    assert [sum(row) for row in evaluation.confusion] == [each.support for each in evaluation.classes]


def test_it_can_be_kept_as_json() -> None:
    evaluation = evaluation_of(*answered(("cat", "cat"), ("dog", "owl")), NAMES)

    assert json.loads(json.dumps(evaluation.to_dict()))["classes"][0]["name"] == "cat"


@pytest.mark.parametrize(
    ("right", "of", "low", "high"), [(0, 10, 0.0, 0.278), (45, 50, 0.786, 0.957), (10, 10, 0.722, 1.0)]
)
def test_the_interval_is_wilsons(right: int, of: int, low: float, high: float) -> None:
    assert wilson_interval(right, of) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_top_k_counts_the_k_most_probable() -> None:
    labels, probabilities = answered(("cat", "cat"), ("dog", "cat"), ("owl", "dog"))

    assert [top_k_accuracy(labels, probabilities, k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])


def test_a_class_told_apart_perfectly_has_an_area_of_one() -> None:
    evaluation = evaluation_of(*answered(("cat", "cat"), ("dog", "dog"), ("dog", "dog")), NAMES)

    cat, dog = evaluation.curves  # there is no owl
    assert (cat.roc_area, cat.average_precision) == (1, 1)
    assert (dog.roc[0], dog.roc[-1]) == ((0, 0), (1, 1))


def test_the_macro_averages_leave_out_classes_without_pictures() -> None:
    evaluation = evaluation_of(*answered(("cat", "cat"), ("dog", "dog")), NAMES)

    assert evaluation.macro.recall == 1


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    x = np.linspace(0, 1, 1000)

    curve = thinned(x, x**2, 60)

    assert len(curve) <= 60
    assert (curve[0], curve[-1]) == ((0, 0), (1, 1))
