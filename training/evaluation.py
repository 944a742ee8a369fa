"""Figures of a network on pictures it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassFigures:
    name: str
    precision: float
    recall: float
    f1: float
    support: int  # pictures of this class


@dataclass(frozen=True)
class Evaluation:
    """Shares of 1; `confusion[true][answered]` counts pictures, in the order of `classes`."""

    pictures: int
    accuracy: float
    classes: list[ClassFigures]
    confusion: list[list[int]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.floating[Any]], class_names: Sequence[str]
) -> Evaluation:
    """Compare answers with the truth.

    A class that was never answered has precision 0, one without pictures has recall 0 (scikit-learn's convention).

    Args:
        labels: (n,) class indices, n at least 1.
        probabilities: (n, len(class_names)).
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support  # half a second, only here

    answers = probabilities.argmax(axis=1)
    indices = range(len(class_names))
    precision, recall, f1, support = precision_recall_fscore_support(labels, answers, labels=indices, zero_division=0)
    classes = [
        ClassFigures(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
        for i, name in enumerate(class_names)
    ]
    confusion = confusion_matrix(labels, answers, labels=indices).tolist()
    return Evaluation(len(labels), float((answers == labels).mean()), classes, confusion)
