"""Figures of a network on pictures it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.calibration import Calibration, PredictionSets
from training.evaluation.robustness import Robustness
from training.results.stored import Stored, also

TOP = (3, 5)  # k of the top-k accuracies, where there are more classes
MOST_CURVE_POINTS = 60  # of one curve
ALL_CURVE_POINTS = 12_000  # of all classes together: a version's row stays small

Floats = NDArray[np.floating[Any]]
Curve = list[tuple[float, float]]


@dataclass(frozen=True)
class ClassMetrics:
    name: str
    precision: float
    recall: float
    f1: float
    support: int  # pictures of this class


@dataclass(frozen=True)
class MacroAverage:
    """Plain averages over the classes that have pictures: each counts the same, however many it has."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ClassCurves:
    """One class against all others; only for classes with pictures, where there are others."""

    name: str
    roc_area: float
    average_precision: float
    roc: Curve  # share of the others taken for it, share of its own found
    precision_recall: Curve  # recall, precision


@dataclass(frozen=True)
class Misclassified:
    """A picture that was answered wrongly, and how surely."""

    sha256: str
    true: str
    answered: str
    probability: float


@dataclass(frozen=True)
class InferenceCost:
    """What an answer takes: one picture at a time through the serving model on one thread, and that model's files."""

    milliseconds: float = field(compare=False)  # the median
    serving_model_bytes: int = field(metadata=also("twin_bytes"), compare=False)


@dataclass(frozen=True)
class Evaluation(Stored):
    """Shares of 1; `confusion[true][answered]` counts pictures, in the order of `classes`.

    Rows of earlier releases hold less: what they do not hold is None or empty.
    """

    pictures: int = 0
    accuracy: float = 0.0
    interval: tuple[float, float] | None = None  # 95 %
    top_k: dict[str, float] = field(default_factory=dict)  # accuracy among the k most probable
    macro: MacroAverage | None = None
    classes: list[ClassMetrics] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    curves: list[ClassCurves] = field(default_factory=list)
    calibration: Calibration | None = None
    prediction_sets: PredictionSets | None = None
    worst: list[Misclassified] = field(default_factory=list)
    robustness: Robustness | None = None
    cost: InferenceCost | None = None


def evaluation_of(labels: NDArray[np.integer[Any]], probabilities: Floats, class_names: Sequence[str]) -> Evaluation:
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
        ClassMetrics(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
        for i, name in enumerate(class_names)
    ]
    right = int((answers == labels).sum())
    return Evaluation(
        pictures=len(labels),
        accuracy=right / len(labels),
        interval=wilson_interval(right, len(labels)),
        top_k={str(k): top_k_accuracy(labels, probabilities, k) for k in TOP if k < len(class_names)},
        macro=MacroAverage(*(float(each[support > 0].mean()) for each in (precision, recall, f1))),
        classes=classes,
        confusion=confusion_matrix(labels, answers, labels=indices).tolist(),
        curves=_curves(labels, probabilities, class_names),
    )


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); unlike the plain one it stays within 0 and 1 and is right for few.

    Args:
        trials: at least 1.
    """
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def top_k_accuracy(labels: NDArray[np.integer[Any]], probabilities: Floats, k: int) -> float:
    """Share of pictures whose class is among the k most probable."""
    most_probable = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float((most_probable == labels[:, np.newaxis]).any(axis=1).mean())


def _curves(labels: NDArray[np.integer[Any]], probabilities: Floats, class_names: Sequence[str]) -> list[ClassCurves]:
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    points = int(np.clip(ALL_CURVE_POINTS // len(class_names), 8, MOST_CURVE_POINTS))
    curves = []
    for i, name in enumerate(class_names):
        is_of_class, scores = labels == i, probabilities[:, i]
        if not is_of_class.any() or is_of_class.all():
            continue
        false_share, true_share, _ = roc_curve(is_of_class, scores)
        precision, recall, _ = precision_recall_curve(is_of_class, scores)
        curves.append(
            ClassCurves(
                name,
                float(auc(false_share, true_share)),
                float(average_precision_score(is_of_class, scores)),
                thinned(false_share, true_share, points),
                thinned(recall[::-1], precision[::-1], points),
            )
        )
    return curves


def thinned(x: Floats, y: Floats, points: int) -> Curve:
    """At most so many points of a curve, both ends among them, evenly spread along its length."""
    steps = np.hypot(np.diff(x), np.diff(y))
    length = np.concatenate([[0.0], np.cumsum(steps)])
    kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], points)).clip(0, len(x) - 1))
    kept = np.unique(np.concatenate([[0], kept, [len(x) - 1]]))[-points:] if len(x) > points else np.arange(len(x))
    return [(round(float(x[i]), 4), round(float(y[i]), 4)) for i in kept]
