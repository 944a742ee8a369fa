from __future__ import annotations

from pathlib import Path

import numpy as np

from tests import tiny
from tests.drawings import SHAPES, draw, encoded
from training.artifacts.h5 import read_provenance
from training.artifacts.predictions_file import read_predictions
from training.artifacts.serving_model import ServingModel
from training.artifacts.version_files import H5_NAME, PREDICTIONS_NAME, SERVING_MODEL_NAMES
from training.data.images import ingest, load_pixels
from training.data.manifest import Entry, Manifest
from training.evaluation.results import result_of
from training.trainer.evaluate import evaluate


def test_a_serving_model_is_evaluated_by_its_answers_to_pictures_it_never_saw(tiny_files: Path) -> None:
    """Four pictures of each shape are for testing, the next four for validation."""
    entries, pixels = [], []
    for label, shape in enumerate(SHAPES):
        for number in range(1000, 1008):
            kept = ingest(encoded(draw(shape, number)))
            entries.append(Entry("", kept.sha256, label, "test" if number < 1004 else "validation"))
            pixels.append(load_pixels(kept.data, tiny.CONFIG.image_size))
    paths = (tiny_files / SERVING_MODEL_NAMES[0], tiny_files / SERVING_MODEL_NAMES[1])

    result = evaluate(ServingModel(paths, "", 0.0, 0), np.stack(pixels), Manifest("", sorted(SHAPES), entries))

    evaluation, predictions = result.evaluation, result.predictions
    assert (evaluation.pictures, evaluation.robustness.pictures, evaluation.calibration.fitted_on) == (8, 8, 8)
    assert evaluation.accuracy == evaluation.robustness.accuracy >= 0.75
    assert evaluation.cost.milliseconds > 0
    assert [name.decode() for name in predictions.sha256] == [each.sha256 for each in entries if each.split == "test"]


def test_the_h5_carries_the_temperature_that_the_predictions_ask_for(tiny_files: Path) -> None:
    predictions = read_predictions((tiny_files / PREDICTIONS_NAME).read_bytes())

    result = result_of(predictions, sorted(SHAPES))

    assert read_provenance(tiny_files / H5_NAME).temperature == result.temperature
