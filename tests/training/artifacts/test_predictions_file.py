from __future__ import annotations

import numpy as np

from training.artifacts.predictions_file import predictions_to_bytes, read_predictions
from training.evaluation.predictions import Predictions


def test_predictions_are_read_as_they_were_kept() -> None:
    half = np.full((2, 2), 0.5, np.float32)
    names, labels = np.array([b"ab", b"cd"]), np.array([0, 1], np.int32)
    predictions = Predictions(names, labels, half, np.array([1, 1], np.int32), half)

    read = read_predictions(predictions_to_bytes(predictions))

    assert all((value == getattr(read, name)).all() for name, value in vars(predictions).items())
