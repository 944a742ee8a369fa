from __future__ import annotations

import json

import numpy as np

from training.evaluation.predictions import Predictions
from training.evaluation.results import NUM_WORST, result_of

NAMES = ["cat", "dog"]


def predictions_of(count: int) -> Predictions:
    """Every fifth picture is answered wrongly, and all with 99 %."""
    labels = np.arange(count) % 2
    given = np.where(np.arange(count) % 5 == 0, 1 - labels, labels)
    probabilities = np.where(np.eye(2)[given] > 0, 0.99, 0.01).astype(np.float32)
    names = np.array([f"{i:064x}" for i in range(count)], dtype=np.bytes_)
    return Predictions(names, labels.astype(np.int32), probabilities, labels.astype(np.int32), probabilities)


def test_a_network_too_sure_of_itself_is_found_less_sure() -> None:
    result = result_of(predictions_of(200), NAMES)

    calibration = result.evaluation.calibration
    assert calibration.temperature == result.temperature > 2
    assert calibration.before.error > 0.15
    assert calibration.after.error < 0.02


def test_the_worst_errors_name_the_picture_and_both_classes() -> None:
    worst = result_of(predictions_of(200), NAMES).evaluation.worst

    assert len(worst) == NUM_WORST
    assert (worst[0].sha256, worst[0].true, worst[0].answered) == ("0" * 64, "cat", "dog")
    assert 0.7 < worst[0].probability < 0.9


def test_all_figures_can_be_kept_as_json() -> None:
    kept = json.loads(json.dumps(result_of(predictions_of(40), NAMES).evaluation.to_dict()))

    assert kept["prediction_sets"]["calibrated_on"] == 40
    assert len(kept["calibration"]["after"]["bins"]) == 15
