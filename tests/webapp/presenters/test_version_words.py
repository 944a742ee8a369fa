"""What an owner reads of a version first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.types import MakeVersion
from training.evaluation.comparison import Comparison, SideFigures
from training.evaluation.metrics import ClassMetrics, Evaluation
from training.models import LabelNames, ModelVersion, Recognizer
from webapp.presenters.version_figures import Error
from webapp.presenters.version_words import beside, better_or_worse, mostly_errs, right_on, what_would_help

NAMES = LabelNames({"glass": "Glass", "plastic": "Plastic"})
ANY_SIDE = SideFigures(0.9, (0.8, 0.95), 0.02)


def evaluation_with(glass: list[int], plastic: list[int]) -> Evaluation:
    """Of two classes, by what the pictures of each were taken for: glass, plastic."""
    rows = {"glass": glass, "plastic": plastic}
    right = glass[0] + plastic[1]
    pictures = sum(glass) + sum(plastic)
    classes = [
        ClassMetrics(name, 0.0, row[i] / sum(row) if sum(row) else 0.0, 0.0, sum(row))
        for i, (name, row) in enumerate(rows.items())
    ]
    return Evaluation(pictures, right / pictures, (0.81, 0.902), classes=classes, confusion=[glass, plastic])


def version_with(evaluation: Evaluation) -> ModelVersion:
    return ModelVersion(test_accuracy=evaluation.accuracy, evaluation=evaluation.to_dict())


def comparison_with(only_a: int, only_b: int, p_value: float) -> Comparison:
    """Of 100 pictures, so many of which only one of the two is right on."""
    difference = (only_b - only_a) / 100
    return Comparison(100, 0, ANY_SIDE, ANY_SIDE, difference, (-0.1, 0.1), only_a, only_b, p_value, [], [])


# --- how good it is
def test_it_says_how_many_it_was_right_on_and_what_that_means() -> None:
    version = version_with(evaluation_with([105, 20], [15, 110]))

    expected = (
        "Right on 215 of 250 pictures it never saw (86\N{NO-BREAK SPACE}%). On new ones between 81 and 90 of 100."
    )
    assert right_on(version) == expected


def test_all_right_is_never_said_as_a_share() -> None:
    flawless = replace(evaluation_with([90, 0], [0, 89]), interval=(0.979, 1.0))

    said = right_on(version_with(flawless))

    assert said == "Right on all 179 pictures it never saw. On new ones at least 98 of 100."


def test_a_version_of_an_earlier_release_says_what_it_has() -> None:
    version = version_with(replace(evaluation_with([9, 1], [0, 10]), interval=None))

    assert right_on(version) == "Right on 19 of 20 pictures it never saw (95\N{NO-BREAK SPACE}%)."


def test_a_version_without_test_pictures_says_nothing_of_them() -> None:
    version = ModelVersion(test_accuracy=None, evaluation={})

    assert right_on(version) == ""
    assert mostly_errs(version.figures, NAMES, []) is None
    assert what_would_help(version.figures, NAMES) == ""


# --- beside the version in use
@pytest.mark.parametrize(
    ("comparison", "sentence"),
    [
        (comparison_with(2, 9, 0.04), "7 points better than version 2, and not by luck."),
        (comparison_with(2, 3, 1.0), "1 point better than version 2, which may be luck."),
        (comparison_with(9, 2, 0.04), "7 points worse than version 2, and not by bad luck."),
        (comparison_with(4, 2, 0.6), "2 points worse than version 2, which may be bad luck."),
        (comparison_with(3, 3, 1.0), "As often right as version 2, though not on the same pictures."),
        (comparison_with(0, 0, 1.0), "Right on the very same pictures as version 2."),
        (replace(comparison_with(1, 2, 0.9), difference=0.002), "0.2 points better than version 2, which may be luck."),
    ],
)
def test_a_comparison_is_one_sentence(comparison: Comparison, sentence: str) -> None:
    assert better_or_worse(comparison, 2) == sentence


@pytest.mark.django_db
def test_a_version_is_compared_with_the_one_in_use(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)

    assert beside(newer, version) == "Right on the very same pictures as version 1."
    assert beside(version, version) == beside(version, None) == ""


@pytest.mark.django_db
def test_what_cannot_be_compared_is_said(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)
    newer.predictions_sha256 = ""
    version.test_accuracy = 0.9

    sentence = (
        "Version 1, in use now, was right on 90\N{NO-BREAK SPACE}% of other pictures: the two cannot be compared."
    )
    assert beside(newer, version) == sentence


# --- where it errs, and what would help
def error(true: str, answered: str) -> Any:
    return Error(None, true, answered, 0.9)


def test_the_most_frequent_error_comes_with_its_pictures() -> None:
    errors = [error("Plastic", "Glass"), error("Glass", "Plastic")]

    mostly = mostly_errs(evaluation_with([17, 3], [1, 19]), NAMES, errors)

    assert mostly is not None
    assert mostly.sentence == "Errs most often so: Glass taken for Plastic (3 of 20)."
    assert mostly.errors == [errors[1]]


def test_single_errors_have_no_pattern() -> None:
    errors = [error("Plastic", "Glass"), error("Glass", "Plastic")]

    mostly = mostly_errs(evaluation_with([19, 1], [1, 19]), NAMES, errors)

    assert mostly is not None
    assert mostly.sentence == "No error comes twice: 2 single ones."
    assert mostly.errors == errors


def test_a_version_without_errors_has_none_to_show() -> None:
    assert mostly_errs(evaluation_with([20, 0], [0, 20]), NAMES, []) is None


def test_more_pictures_of_the_class_found_least_would_help() -> None:
    said = what_would_help(evaluation_with([14, 6], [1, 19]), NAMES)

    assert said == "More pictures of “Glass” would help most: it is right on only 14 of 20."


def test_a_class_with_hardly_a_test_picture_is_called_so() -> None:
    said = what_would_help(evaluation_with([1, 1], [1, 19]), NAMES)

    assert said == "More pictures of “Glass” would help most: only 2 could be kept to test it on."


def test_where_every_class_is_found_nothing_is_asked_for() -> None:
    assert what_would_help(evaluation_with([20, 0], [1, 29]), NAMES) == ""
