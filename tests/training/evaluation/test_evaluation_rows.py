"""Rows outlive the release that wrote them: evaluations of all earlier ones are read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from training.evaluation.metrics import ClassMetrics, Evaluation, InferenceCost
from training.evaluation.predictions import Predictions
from training.evaluation.results import result_of
from training.evaluation.robustness import Corrupted

FIRST_RELEASE = {
    "pictures": 12,
    "accuracy": 0.9166666666666666,
    "classes": [
        {"name": "circle", "precision": 1.0, "recall": 0.8333333333333334, "f1": 0.9090909090909091, "support": 6},
        {"name": "square", "precision": 0.8571428571428571, "recall": 1.0, "f1": 0.923076923076923, "support": 6},
    ],
    "confusion": [[5, 1], [0, 6]],
}
RELIABILITY = {
    "error": 0.0423,
    "by_chance": 0.0318,
    "bins": [{"low": 0.9333, "high": 1.0, "confidence": 0.9712, "accuracy": 0.9166, "pictures": 12}],
}
AT_7735484: dict[str, Any] = {  # what the training of a tiny network was written down as, with fewer bins and points
    **FIRST_RELEASE,
    "interval": [0.6461, 0.9851],
    "top_k": {"3": 1.0},
    "macro": {"precision": 0.9286, "recall": 0.9167, "f1": 0.9161},
    "curves": [
        {
            "name": "circle",
            "roc_area": 0.9722,
            "average_precision": 0.9762,
            "roc": [[0.0, 0.0], [0.0, 0.8333], [1.0, 1.0]],
            "precision_recall": [[0.0, 1.0], [0.8333, 1.0], [1.0, 0.5]],
        }
    ],
    "calibration": {"temperature": 0.8712, "fitted_on": 12, "before": RELIABILITY, "after": RELIABILITY},
    "prediction_sets": {
        **{"level": 0.9, "limit": 0.3121, "calibrated_on": 12},
        **{"coverage": 0.9167, "mean_size": 1.0, "empty": 0.0},
    },
    "worst": [{"sha256": "0" * 64, "true": "circle", "answered": "square", "probability": 0.7133}],
    "robustness": {
        "pictures": 12,
        "accuracy": 0.9166666666666666,
        "disturbed": [
            {"kind": "blur", "strength": 0.5, "accuracy": 0.9167},
            {"kind": "dark", "strength": 50, "accuracy": 0.75},
        ],
    },
    "cost": {"milliseconds": 0.0912, "twin_bytes": 104216},
}


def test_an_evaluation_of_the_first_release_is_read_without_what_it_had_not() -> None:
    evaluation = Evaluation.from_dict(FIRST_RELEASE)

    assert (evaluation.pictures, evaluation.confusion) == (12, [[5, 1], [0, 6]])
    assert evaluation.classes[1] == ClassMetrics("square", 0.8571428571428571, 1.0, 0.923076923076923, 6)
    assert (evaluation.interval, evaluation.calibration, evaluation.cost) == (None, None, None)
    assert (evaluation.curves, evaluation.worst, evaluation.top_k) == ([], [], {})


def test_an_evaluation_of_the_release_before_is_read_by_its_old_names() -> None:
    evaluation = Evaluation.from_dict(AT_7735484)

    assert evaluation.robustness
    assert evaluation.robustness.corrupted == [Corrupted("blur", 0.5, 0.9167), Corrupted("dark", 50, 0.75)]
    assert evaluation.cost == InferenceCost(0.0912, 104216)
    assert evaluation.cost.serving_model_bytes == 104216
    assert evaluation.curves[0].roc == [(0.0, 0.0), (0.0, 0.8333), (1.0, 1.0)]


def test_what_is_read_by_its_old_names_is_written_by_todays() -> None:
    written = Evaluation.from_dict(AT_7735484).to_dict()

    assert set(written["cost"]) == {"milliseconds", "serving_model_bytes"}
    assert "disturbed" not in written["robustness"]
    assert Evaluation.from_dict(json.loads(json.dumps(written))) == Evaluation.from_dict(AT_7735484)


def test_all_figures_come_back_from_json_as_they_were() -> None:
    labels = (np.arange(40) % 2).astype(np.int32)
    probabilities = np.where(np.eye(2)[labels] > 0, 0.8, 0.2).astype(np.float32)
    names = np.array([f"{i:064x}" for i in range(40)], dtype=np.bytes_)
    evaluation = result_of(Predictions(names, labels, probabilities, labels, probabilities), ["cat", "dog"]).evaluation

    assert Evaluation.from_dict(json.loads(json.dumps(evaluation.to_dict()))) == evaluation


@pytest.mark.parametrize("values", [{}, {"pictures": 3, "of_a_later_release": [1]}])
def test_an_evaluation_with_less_or_more_than_we_know_is_read(values: dict[str, Any]) -> None:
    assert Evaluation.from_dict(values).classes == []
