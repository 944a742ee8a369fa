"""How sure versions may be: calibration error and coverage of the prediction sets, from the predictions they keep.

    python benchmarks/calibration.py var/files/versions/*/*/answers.npz

Each answers.npz holds what one version said to its validation and test pictures, so nothing is trained or answered
here. The columns without a star are the site's own figures: temperature and sets are set on the validation pictures,
on which the best epoch was picked, and seen on the test pictures. Those with a star put both kinds of pictures together
and part them at random, 200 times: the same method without the luck of one split, and without the optimism
of pictures that an epoch was picked on. The last line puts the test pictures of all files together.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.artifacts.predictions_file import read_predictions
from training.evaluation.calibration import calibrated, fit_temperature, prediction_sets, reliability
from training.evaluation.predictions import Predictions

PARTINGS = 200


@dataclass(frozen=True)
class Figures:
    """Shares of 1; errors are expected calibration errors over 15 equally wide bins."""

    test_pictures: int
    accuracy: float
    temperature: float
    error_before: float
    error_after: float
    error_by_chance: float  # what as many pictures show where every probability is right
    coverage: float
    mean_size: float


def figures_of(predictions: Predictions) -> Figures:
    """As the site works them out."""
    temperature = fit_temperature(predictions.validation_labels, predictions.validation_probabilities)
    probabilities = calibrated(predictions.probabilities, temperature)
    of_validation = calibrated(predictions.validation_probabilities, temperature)
    sets = prediction_sets(predictions.labels, probabilities, predictions.validation_labels, of_validation)
    after = reliability(predictions.labels, probabilities)
    return Figures(
        test_pictures=len(predictions.labels),
        accuracy=float((probabilities.argmax(axis=1) == predictions.labels).mean()),
        temperature=temperature,
        error_before=reliability(predictions.labels, predictions.probabilities).error,
        error_after=after.error,
        error_by_chance=after.by_chance,
        coverage=sets.coverage,
        mean_size=sets.mean_size,
    )


def parted_anew(predictions: Predictions, rng: np.random.Generator) -> Predictions:
    """The same pictures, each kind as many as before, but which is which is drawn."""
    labels = np.concatenate([predictions.labels, predictions.validation_labels])
    probabilities = np.concatenate([predictions.probabilities, predictions.validation_probabilities])
    order = rng.permutation(len(labels))
    test, validation = np.split(order, [len(predictions.labels)])
    of_validation = (labels[validation], probabilities[validation])
    return Predictions(predictions.sha256, labels[test], probabilities[test], *of_validation)


def together(all_predictions: list[Predictions]) -> tuple[float, float]:
    """Calibration error of the test pictures of several versions, each with its own temperature, and by chance."""
    num_classes = max(each.probabilities.shape[1] for each in all_predictions)
    rows = []
    for each in all_predictions:
        temperature = fit_temperature(each.validation_labels, each.validation_probabilities)
        missing = num_classes - each.probabilities.shape[1]
        rows.append(np.pad(calibrated(each.probabilities, temperature), ((0, 0), (0, missing))))
    figures = reliability(np.concatenate([each.labels for each in all_predictions]), np.concatenate(rows))
    return figures.error, figures.by_chance


def main(paths: list[Path]) -> None:
    print("pictures  accuracy  temperature  ECE before   after  by chance  after*  coverage  size  coverage*  file")
    all_predictions = [read_predictions(path.read_bytes()) for path in paths]
    for path, predictions in zip(paths, all_predictions, strict=True):
        own, rng = figures_of(predictions), np.random.default_rng(0)
        drawn = [figures_of(parted_anew(predictions, rng)) for _ in range(PARTINGS)]
        error = np.mean([each.error_after for each in drawn])
        coverage = np.mean([each.coverage for each in drawn])
        print(
            f"{own.test_pictures:8d}  {own.accuracy:8.4f}  {own.temperature:11.3f}  {own.error_before:10.4f}"
            f"  {own.error_after:6.4f}  {own.error_by_chance:9.4f}  {error:6.4f}"
            f"  {own.coverage:8.4f}  {own.mean_size:4.2f}  {coverage:9.4f}  {path}"
        )
    error, by_chance = together(all_predictions)
    print(f"together: error {error:.4f}, by chance {by_chance:.4f}")


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
