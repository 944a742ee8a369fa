"""Results of jobs as earlier releases wrote them into rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from training.results.dry_run_result import DryRun
from training.results.inspection_result import Drawing, FirstFilters, InspectionResult
from training.results.review_result import FlawedPicture, LeakReport, LikelyLabelError, ReviewResult
from training.results.stored import Stored

DRAWING = {"name": "1-input", "width": 24, "height": 24}
HISTOGRAM = {"low": -1.0, "high": 1.0, "mean": 0.0, "deviation": 0.5, "zeros": 0.25, "counts": [1, 2, 1]}
LAYER = {
    **{"name": "conv2d", "kind": "Conv2D", "shape": [12, 12, 8], "trainable": 224, "frozen": 0},
    **{"weights": HISTOGRAM, "activations": HISTOGRAM, "is_drawn": True, "is_chosen": True},
    **{"drawing": DRAWING, "channels": [3, 1]},
}
UNDRAWN = {
    **{"name": "dropout", "kind": "Dropout", "shape": [32], "trainable": 0, "frozen": 0},
    **{"weights": None, "activations": HISTOGRAM, "is_drawn": False, "is_chosen": False, "drawing": None},
}
INSPECTION: dict[str, Any] = {
    "image_size": 24,
    "input": DRAWING,
    "scores": [{"label": "circle", "probability": 0.75}, {"label": "square", "probability": 0.25}],
    "filters": {
        **{"layer": "conv2d", "kind": "Conv2D", "drawing": DRAWING},
        **{"count": 8, "shown": 8, "height": 3, "width": 3},
    },
    "layers": [LAYER, UNDRAWN],
    "trainable": 224,
    "frozen": 0,
}
REVIEW: dict[str, Any] = {
    "num_pictures": 6,
    "features": "pixels",
    "flawed": [{"picture": 2, "flaws": ["dark"]}],
    "suspects": [{"picture": 1, "label": "circle", "answer": "square", "probability": 0.93}],
    "leak": {"naive": 0.9, "grouped": 0.8, "share_with_twin": 0.25, "naive_without_twin": None},
}
DRY_RUN = {"seconds_per_step": 0.5, "expected_seconds": 95.0, "largest_batch": 64, "device": "A CPU"}


def test_a_look_inside_is_read() -> None:
    result = InspectionResult.from_dict(INSPECTION)

    assert result.filters == FirstFilters("conv2d", "Conv2D", Drawing("1-input", 24, 24), 8, 8, 3, 3)
    assert [each.channels for each in result.layers] == [[3, 1], []]
    assert [each.weights is None for each in result.layers] == [False, True]


def test_a_look_inside_a_network_without_filters_is_read() -> None:
    assert InspectionResult.from_dict(INSPECTION | {"filters": {}}).filters is None


def test_a_look_through_pictures_is_read_by_its_old_names() -> None:
    result = ReviewResult.from_dict(REVIEW)

    assert result.label_errors == [LikelyLabelError(1, "circle", "square", 0.93)]
    assert result.flawed == [FlawedPicture(2, ["dark"])]
    assert result.leak == LeakReport(0.9, 0.8, 0.25, None)


def test_a_look_through_no_pictures_is_read() -> None:
    assert ReviewResult.from_dict({"num_pictures": 0}) == ReviewResult()


def test_a_look_through_pictures_of_one_class_is_read() -> None:
    row = {"num_pictures": 3, "features": "imagenet", "flawed": [], "suspects": [], "leak": {}}

    assert ReviewResult.from_dict(row) == ReviewResult(3, "imagenet")


def test_a_dry_run_is_read() -> None:
    assert DryRun.from_dict(DRY_RUN) == DryRun(95.0, 64, "A CPU", 0.5)


@pytest.mark.parametrize(
    "result", [InspectionResult.from_dict(INSPECTION), ReviewResult.from_dict(REVIEW), DryRun.from_dict(DRY_RUN)]
)
def test_a_result_comes_back_from_its_row_as_it_was(result: Stored) -> None:
    assert type(result).from_dict(json.loads(json.dumps(result.to_dict()))) == result
