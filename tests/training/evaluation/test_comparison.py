from __future__ import annotations

import numpy as np
import pytest

from training.errors import NotComparable
from training.evaluation.comparison import Side, compare, mcnemar_p, paired_interval
from training.evaluation.predictions import Predictions

NAMES = ["cat", "dog"]
EMPTY = (np.array([], np.int32), np.zeros((0, 2), np.float32))


def side(truth: list[int], given: list[int], *, first: int = 0, class_names: list[str] = NAMES) -> Side:
    """A version's answers to pictures numbered from `first`, each with 90 %."""
    names = np.array([f"{first + i:064x}" for i in range(len(truth))], dtype=np.bytes_)
    probabilities = np.where(np.eye(2)[given] > 0, 0.9, 0.1).astype(np.float32)
    return Side(Predictions(names, np.array(truth, np.int32), probabilities, *EMPTY), class_names, 1.0)


def test_a_clear_gain_is_more_than_luck() -> None:
    comparison = compare(side([0, 1] * 50, [0, 0] * 50), side([0, 1] * 50, [0, 1] * 50))

    assert comparison.verdict == "better"
    assert (comparison.difference, comparison.only_a_right, comparison.only_b_right) == (0.5, 0, 50)
    assert 0.3 < comparison.interval[0] < 0.5 < comparison.interval[1]
    assert [(each.name, each.change) for each in comparison.classes] == [("cat", 0), ("dog", 1)]


def test_a_gain_on_three_pictures_may_be_luck() -> None:
    comparison = compare(side([0] * 100, [1] * 3 + [0] * 97), side([0] * 100, [0] * 100))

    assert comparison.verdict == "undecided"
    assert comparison.p_value == pytest.approx(0.25)


def test_a_loss_is_called_worse_and_the_other_way_round_better() -> None:
    good, bad = side([0] * 40, [0] * 40), side([0] * 40, [1] * 20 + [0] * 20)

    assert (compare(good, bad).verdict, compare(bad, good).verdict) == ("worse", "better")
    assert compare(good, bad).difference == -compare(bad, good).difference


def test_versions_that_answer_alike_are_alike() -> None:
    comparison = compare(side([0, 1], [1, 1]), side([0, 1], [1, 1]))

    assert (comparison.verdict, comparison.p_value, comparison.interval) == ("alike", 1.0, (0.0, 0.0))


def test_only_pictures_that_both_were_tested_on_count() -> None:
    comparison = compare(side([0] * 10, [0] * 10), side([0] * 10, [1] * 10, first=6))

    assert (comparison.pictures, comparison.left_out) == (4, 12)


def test_a_picture_that_was_labelled_anew_is_left_out() -> None:
    comparison = compare(side([0, 0], [0, 0]), side([0, 1], [0, 1]))

    assert (comparison.pictures, comparison.left_out) == (1, 1)


def test_classes_are_told_apart_by_key_not_by_place() -> None:
    comparison = compare(side([0, 1], [0, 1]), side([1, 0], [1, 0], class_names=["dog", "cat"]))

    assert (comparison.pictures, comparison.verdict) == (2, "alike")


def test_the_pictures_that_one_of_them_answered_rightly_are_named() -> None:
    (differing,) = compare(side([0, 1], [0, 0]), side([0, 1], [0, 1])).differing

    assert (differing.sha256, differing.true, differing.answered_a) == (f"{1:064x}", "dog", "cat")
    assert differing.is_gain


def test_versions_without_a_common_picture_are_not_compared() -> None:
    with pytest.raises(NotComparable, match="no common picture"):
        compare(side([0], [0]), side([0], [0], first=9))


@pytest.mark.parametrize(("gained", "lost", "p"), [(0, 0, 1), (5, 5, 1), (10, 0, 2 / 1024), (9, 1, 22 / 1024)])
def test_mcnemars_p_is_the_exact_one(gained: int, lost: int, p: float) -> None:
    assert mcnemar_p(gained, lost) == mcnemar_p(lost, gained) == pytest.approx(p)


def test_the_paired_interval_is_the_one_of_drawing_pictures() -> None:
    outcomes = np.array([1] * 20 + [-1] * 8 + [0] * 172)
    rng = np.random.default_rng(5)
    drawn = [rng.choice(outcomes, len(outcomes)).mean() for _ in range(4000)]

    assert paired_interval(20, 8, 200) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.011)
    assert paired_interval(20, 8, 200) == paired_interval(20, 8, 200)
