"""All figures of a network that follow from its predictions alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.evaluation.calibration import Calibration, calibrated, fit_temperature, prediction_sets, reliability
from training.evaluation.metrics import Evaluation, Misclassified, evaluation_of
from training.evaluation.predictions import Predictions

NUM_WORST = 24  # errors kept


@dataclass(frozen=True)
class EvaluationResult:
    """The figures of a network, how sure it may be, and the predictions they came from."""

    evaluation: Evaluation
    temperature: float
    predictions: Predictions


def result_of(predictions: Predictions, class_names: list[str]) -> EvaluationResult:
    """Calibrate on the validation pictures and count on the test pictures."""
    temperature = fit_temperature(predictions.validation_labels, predictions.validation_probabilities)
    probabilities = calibrated(predictions.probabilities, temperature)
    of_validation = calibrated(predictions.validation_probabilities, temperature)
    evaluation = replace(
        evaluation_of(predictions.labels, probabilities, class_names),
        calibration=Calibration(
            temperature,
            len(predictions.validation_labels),
            before=reliability(predictions.labels, predictions.probabilities),
            after=reliability(predictions.labels, probabilities),
        ),
        prediction_sets=prediction_sets(
            predictions.labels, probabilities, predictions.validation_labels, of_validation
        ),
        worst=_worst(predictions, probabilities, class_names),
    )
    return EvaluationResult(evaluation, temperature, predictions)


def _worst(predictions: Predictions, probabilities: NDArray[np.float64], class_names: list[str]) -> list[Misclassified]:
    """The wrong answers, the surest first."""
    given, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(given != predictions.labels)
    return [
        Misclassified(
            predictions.sha256[i].decode(),
            class_names[predictions.labels[i]],
            class_names[given[i]],
            float(confidence[i]),
        )
        for i in wrong[np.argsort(-confidence[wrong], kind="stable")][:NUM_WORST]
    ]
