from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation import evaluate

ANSWERS = {"cat": (0.8, 0.1, 0.1), "dog": (0.2, 0.7, 0.1), "owl": (0.1, 0.2, 0.7)}
NAMES = list(ANSWERS)


def answered(*pairs: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of pictures given as (truth, answer)."""
    return np.array([NAMES.index(truth) for truth, _ in pairs]), np.array([ANSWERS[answer] for _, answer in pairs])


def test_the_figures_are_those_counted_by_hand() -> None:
    pairs = [("cat", "cat"), ("cat", "cat"), ("cat", "dog"), ("dog", "dog"), ("owl", "cat")]

    evaluation = evaluate(*answered(*pairs), NAMES)

    cat, dog, owl = evaluation.classes
    assert (evaluation.pictures, evaluation.accuracy) == (5, pytest.approx(0.6))
    assert (cat.precision, cat.recall, cat.support) == (pytest.approx(2 / 3), pytest.approx(2 / 3), 3)
    assert (dog.precision, dog.recall, dog.f1) == (0.5, 1, pytest.approx(2 / 3))
    assert (owl.precision, owl.recall, owl.f1) == (0, 0, 0)


def test_a_row_of_the_confusion_is_the_truth_and_a_column_the_answer() -> None:
    evaluation = evaluate(*answered(("cat", "dog"), ("cat", "dog"), ("owl", "owl")), NAMES)

    assert evaluation.confusion == [[0, 2, 0], [0, 0, 0], [0, 0, 1]]


def test_a_class_without_pictures_is_there_with_nothing() -> None:
    evaluation = evaluate(*answered(("cat", "cat")), NAMES)

    assert [each.support for each in evaluation.classes] == [1, 0, 0]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=1))
def test_the_figures_agree_with_one_another(pairs: list[tuple[str, str]]) -> None:
    evaluation = evaluate(*answered(*pairs), NAMES)

    assert sum(map(sum, evaluation.confusion)) == evaluation.pictures == len(pairs)
    assert evaluation.accuracy == pytest.approx(np.trace(evaluation.confusion) / len(pairs))
    assert [sum(row) for row in evaluation.confusion] == [each.support for each in evaluation.classes]


def test_it_can_be_kept_as_json() -> None:
    evaluation = evaluate(*answered(("cat", "cat"), ("dog", "owl")), NAMES)

    assert json.loads(json.dumps(evaluation.to_dict()))["classes"][0]["name"] == "cat"
