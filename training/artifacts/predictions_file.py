"""The predictions that are kept beside a version, as one compressed NumPy file."""

from __future__ import annotations

import io

import numpy as np

from training.evaluation.predictions import Predictions


def predictions_to_bytes(predictions: Predictions) -> bytes:
    """The content of the file."""
    file = io.BytesIO()
    np.savez_compressed(file, **vars(predictions))
    return file.getvalue()


def read_predictions(content: bytes) -> Predictions:
    """The predictions from the content of the file."""
    with np.load(io.BytesIO(content)) as file:
        return Predictions(**{name: file[name] for name in Predictions.__dataclass_fields__})
