from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.answer import KEPT_SCORES, Answer, Score, ranked
from classifier.models import Prediction
from training.models import ModelVersion


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=50))
def test_every_class_is_there_once_and_the_most_probable_first(probabilities: list[float]) -> None:
    names = [f"class {number}" for number in range(len(probabilities))]

    scores = ranked(names, np.array(probabilities, dtype=np.float32))

    assert sorted(score.label for score in scores) == sorted(names)
    assert [score.probability for score in scores] == sorted(probabilities, reverse=True)


def test_of_equals_the_first_in_label_order_comes_first() -> None:
    assert [score.label for score in ranked(["a", "b", "c"], np.array([0.4, 0.2, 0.4], "f4"))] == ["a", "c", "b"]


def test_rounding_never_makes_a_probability_leave_0_to_1() -> None:
    assert [score.probability for score in ranked(["a", "b"], np.array([1.0000001, -1e-9], "f4"))] == [1, 0]


@pytest.fixture
def answer(version: ModelVersion) -> Answer:
    return Answer(version, [Score(f"class {number}", 0.5 / (number + 1)) for number in range(9)], milliseconds=4.2)


def test_an_answer_is_kept_with_its_best_scores(answer: Answer) -> None:
    answer.record(Prediction.Source.API)

    row = Prediction.objects.get()
    assert (row.version, row.label, row.probability, row.source) == (answer.version, "class 0", 0.5, "api")
    assert row.scores == answer.as_rows(KEPT_SCORES)


def test_all_scores_can_be_had(answer: Answer) -> None:
    assert len(answer.as_rows()) == 9
    assert answer.as_rows()[0] == {"label": "class 0", "probability": 0.5}
