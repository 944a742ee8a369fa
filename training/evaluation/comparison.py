"""Two versions on the very same pictures, which neither learned from: is one better, or was it luck?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from training.errors import NotComparable
from training.evaluation.calibration import calibrated, reliability
from training.evaluation.metrics import wilson_interval
from training.evaluation.predictions import Predictions
from training.messages import N_

RESAMPLES = 10_000
SIGNIFICANT = 0.05  # of p, below which a difference is more than luck

Verdict = Literal["better", "worse", "undecided", "alike"]
Keys = NDArray[np.str_]  # (n,) classes by key


@dataclass(frozen=True)
class Side:
    """What one version answered; its class indices mean keys in its own list."""

    predictions: Predictions
    class_names: list[str]
    temperature: float

    def at(self, names: list[bytes]) -> Self:
        """Its answers to some of its pictures, in the order of their names."""
        place = {name: i for i, name in enumerate(self.predictions.sha256.tolist())}
        rows = np.array([place[name] for name in names], dtype=np.intp)
        of_validation = (self.predictions.validation_labels, self.predictions.validation_probabilities)
        chosen = (self.predictions.sha256[rows], self.predictions.labels[rows], self.predictions.probabilities[rows])
        return type(self)(Predictions(*chosen, *of_validation), self.class_names, self.temperature)

    @property
    def truth(self) -> Keys:
        return np.asarray(np.array(self.class_names)[self.predictions.labels])

    @property
    def given(self) -> Keys:
        return np.asarray(np.array(self.class_names)[self.predictions.probabilities.argmax(axis=1)])

    @property
    def is_right(self) -> NDArray[np.bool_]:
        return np.asarray(self.truth == self.given)

    @property
    def calibration_error(self) -> float:
        probabilities = calibrated(self.predictions.probabilities, self.temperature)
        return reliability(self.predictions.labels, probabilities).error


@dataclass(frozen=True)
class SideFigures:
    """One version on the shared pictures."""

    accuracy: float
    interval: tuple[float, float]  # 95 %
    calibration_error: float


@dataclass(frozen=True)
class ClassChange:
    """How many pictures of a class each of the two finds."""

    name: str
    pictures: int
    recall_a: float
    recall_b: float

    @property
    def change(self) -> float:
        return self.recall_b - self.recall_a


@dataclass(frozen=True)
class Differing:
    """A picture that exactly one of the two answered rightly."""

    sha256: str
    true: str
    answered_a: str
    answered_b: str

    @property
    def is_gain(self) -> bool:
        return self.answered_b == self.true


@dataclass(frozen=True)
class Comparison:
    """`b` against `a`; a difference above 0 speaks for `b`.

    `interval` holds the difference on new pictures with 95 % (paired bootstrap); `p_value` is the chance of so uneven a
    split of the pictures that only one of the two answers rightly, were both equally good (exact McNemar test).
    """

    pictures: int
    left_out: int  # answered by one of the two only, or labelled otherwise since
    a: SideFigures
    b: SideFigures
    difference: float
    interval: tuple[float, float]
    only_a_right: int
    only_b_right: int
    p_value: float
    classes: list[ClassChange]  # the largest loss first
    differing: list[Differing]

    @property
    def verdict(self) -> Verdict:
        if self.only_a_right == self.only_b_right == 0:
            return "alike"
        if self.p_value >= SIGNIFICANT:
            return "undecided"
        return "better" if self.difference > 0 else "worse"


def compare(a: Side, b: Side) -> Comparison:
    """Compare two versions of a recognizer on the test pictures that both have answers for.

    A test picture of both was in neither's training: a picture stays on its side of the split.

    Raises: NotComparable if they share no test picture.
    """
    names, left_out = _shared(a, b)
    if not names:
        raise NotComparable(
            N_("The two versions were tested on no common picture. Train one of them again on today's pictures.")
        )
    a, b = a.at(names), b.at(names)
    gained, lost = b.is_right & ~a.is_right, a.is_right & ~b.is_right
    num_gained, num_lost = int(gained.sum()), int(lost.sum())
    return Comparison(
        pictures=len(names),
        left_out=left_out,
        a=_figures(a),
        b=_figures(b),
        difference=(num_gained - num_lost) / len(names),
        interval=paired_interval(num_gained, num_lost, len(names)),
        only_a_right=num_lost,
        only_b_right=num_gained,
        p_value=mcnemar_p(num_gained, num_lost),
        classes=_changes(a, b),
        differing=[
            Differing(names[i].decode(), str(a.truth[i]), str(a.given[i]), str(b.given[i]))
            for i in np.flatnonzero(gained | lost)
        ],
    )


def _shared(a: Side, b: Side) -> tuple[list[bytes], int]:
    """The pictures with the same label in both, in `b`'s order, and how many others there are."""
    truth_a = dict(zip(a.predictions.sha256.tolist(), a.truth, strict=True))
    truth_b = dict(zip(b.predictions.sha256.tolist(), b.truth, strict=True))
    shared = [name for name, truth in truth_b.items() if truth_a.get(name) == truth]
    return shared, len(truth_a.keys() | truth_b.keys()) - len(shared)


def _figures(side: Side) -> SideFigures:
    right, pictures = int(side.is_right.sum()), len(side.is_right)
    return SideFigures(right / pictures, wilson_interval(right, pictures), side.calibration_error)


def _changes(a: Side, b: Side) -> list[ClassChange]:
    truth = b.truth
    changes = []
    for name in dict.fromkeys(truth.tolist()):
        members = truth == name
        recalls = (float(side.is_right[members].mean()) for side in (a, b))
        changes.append(ClassChange(name, int(members.sum()), *recalls))
    return sorted(changes, key=lambda each: (each.change, each.name))


def paired_interval(num_gained: int, num_lost: int, pictures: int) -> tuple[float, float]:
    """The 95 % interval of the difference of accuracy, by drawing the same number of pictures anew 10,000 times.

    Each drawn picture is a gain, a loss or neither, so a draw of all pictures is one of a multinomial distribution.
    """
    shares = np.array([num_gained, num_lost, pictures - num_gained - num_lost]) / pictures
    draws = np.random.default_rng(0).multinomial(pictures, shares, RESAMPLES)
    low, high = np.percentile((draws[:, 0] - draws[:, 1]) / pictures, [2.5, 97.5])
    return float(low), float(high)


def mcnemar_p(num_gained: int, num_lost: int) -> float:
    """The exact two-sided p of McNemar's test: a fair coin for every picture that one of the two answers rightly."""
    from scipy.stats import binomtest

    tosses = num_gained + num_lost
    return float(binomtest(num_gained, tosses).pvalue) if tosses else 1.0
