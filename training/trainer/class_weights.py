"""What a picture of each class counts, so that classes with many pictures do not drown those with few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POWERS = {"none": 0.0, "square_root": 0.5, "balanced": 1.0}


def class_weights(kind: str, labels: NDArray[np.int32], num_classes: int) -> NDArray[np.float32]:
    """(num_classes,) that are 1 on the average of the pictures; all are 1 where classes are of a size.

    With "balanced" all classes count the same; with "square_root" a class counts as the square root of its size.

    Args:
        kind: one of POWERS.
        labels: (n,) of the pictures that are learned from.
    """
    counts = np.maximum(np.bincount(labels, minlength=num_classes), 1)
    weights = counts ** -POWERS[kind]
    return np.asarray(weights / weights[labels].mean(), np.float32)
