"""How sure a network may be: its probabilities, made to mean what they say on pictures it never learned from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1e-30  # of a probability; nothing has no logarithm
RANGE = (0.05, 20.0)  # of the temperature
PRIOR_SPREAD = 0.7  # of the temperature's logarithm: what a few pictures must outweigh
BINS = 15  # of confidence, equally wide
CHANCE_DRAWS = 200
LEVEL = 0.9  # share of pictures whose class the prediction sets hold

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Bin:
    """The pictures answered with a confidence from `low` to `high`; the means are 0 where there are none."""

    low: float
    high: float
    confidence: float  # on average
    accuracy: float
    pictures: int


@dataclass(frozen=True)
class Reliability:
    """How far confidence and accuracy lie apart.

    `error` is the expected calibration error: over 15 equally wide bins of the probability of the answered class, the
    average of |accuracy - confidence|, weighted by pictures (Guo et al. 2017). Few pictures give one above 0 even where
    every probability is right: `by_chance` is what that would come to, with the same confidences.
    """

    error: float
    by_chance: float
    bins: list[Bin]


@dataclass(frozen=True)
class Calibration:
    """The temperature, and the reliability on the test pictures before and after it."""

    temperature: float
    fitted_on: int  # validation pictures
    before: Reliability
    after: Reliability


@dataclass(frozen=True)
class PredictionSets:
    """Sets of classes that hold the true one with a given probability, and what they came to on the test pictures.

    A set holds every class whose probability is short of 1 by at most `limit` (split conformal prediction with the
    scores of Sadinle et al. 2019). Where a network is more often right than the level asks, some sets are empty: such a
    picture is like none that was answered well.
    """

    level: float
    limit: float
    calibrated_on: int  # validation pictures
    coverage: float
    mean_size: float
    empty: float  # share of the sets


def calibrated(probabilities: Floats, temperature: float) -> NDArray[np.float64]:
    """Divide the logarithms by the temperature and normalise again; above 1 a network becomes less sure.

    The most probable class stays the same (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Args:
        probabilities: (…, num_classes).
    """
    logits = _logits(probabilities) / temperature
    scaled = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True))


def fit_temperature(labels: Labels, probabilities: Floats) -> float:
    """The temperature that makes held-out labels most likely, drawn towards 1 as far as the pictures are few.

    Without that, pictures that are all answered rightly would ask for 0.

    Args:
        labels: (n,) class indices.
        probabilities: (n, num_classes).
    """
    from scipy.optimize import minimize_scalar

    logits, rows = _logits(probabilities), np.arange(len(labels))

    def surprise(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        highest = scaled.max(axis=1)
        log_sums = highest + np.log(np.exp(scaled - highest[:, np.newaxis]).sum(axis=1))
        return float((log_sums - scaled[rows, labels]).sum() + (log_temperature / PRIOR_SPREAD) ** 2 / 2)

    found = minimize_scalar(surprise, bounds=tuple(np.log(RANGE)), method="bounded")
    return float(np.exp(found.x))


def _logits(probabilities: Floats) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(probabilities.astype(np.float64), SMALLEST)))


def reliability(labels: Labels, probabilities: Floats) -> Reliability:
    """Compare how sure the answers are with how often they are right.

    Args:
        labels: (n,) class indices, n at least 1.
        probabilities: (n, num_classes).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    is_right = probabilities.argmax(axis=1) == labels
    places = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    members = np.eye(BINS)[places]  # (n, BINS)
    counts = members.sum(axis=0)
    means = (np.stack([confidence, is_right]) @ members) / np.maximum(counts, 1)
    bins = [Bin(i / BINS, (i + 1) / BINS, float(means[0, i]), float(means[1, i]), int(counts[i])) for i in range(BINS)]
    draws = np.random.default_rng(0).random((CHANCE_DRAWS, len(labels))) < confidence
    return Reliability(_error(is_right - confidence, members), _error(draws - confidence, members), bins)


def _error(gaps: Floats, members: Floats) -> float:
    """The expected calibration error; averaged over draws where `gaps` is (draws, n) instead of (n,)."""
    return float(np.abs(gaps @ members).sum(axis=-1).mean() / len(members))


def set_limit(labels: Labels, probabilities: Floats) -> float:
    """How short of 1 a class may fall to be in a prediction set, for sets that hold the truth with LEVEL.

    Args:
        labels: (n,) class indices of pictures that the network did not learn from.
        probabilities: (n, num_classes), calibrated.
    Returns: 1, which lets every class in, where there are too few pictures to say.
    """
    scores = np.sort(shortfalls(probabilities)[np.arange(len(labels)), labels])
    rank = math.ceil((len(labels) + 1) * LEVEL)
    return float(scores[rank - 1]) if rank <= len(labels) else 1.0


def shortfalls(probabilities: Floats) -> NDArray[np.float64]:
    """1 - probabilities, exact also where a network is so sure that the difference would round to nothing."""
    short = 1 - probabilities.astype(np.float64)
    best = probabilities.argmax(axis=-1)[..., np.newaxis]
    others = probabilities.astype(np.float64)
    np.put_along_axis(others, best, 0, axis=-1)
    np.put_along_axis(short, best, others.sum(axis=-1, keepdims=True), axis=-1)
    return np.asarray(short)


def prediction_sets(
    labels: Labels, probabilities: Floats, validation_labels: Labels, validation_probabilities: Floats
) -> PredictionSets:
    """Set the limit on validation pictures, and see on test pictures what the sets hold; probabilities are calibrated.

    Args:
        labels, validation_labels: (n,) and (m,) class indices.
        probabilities, validation_probabilities: (n, num_classes) and (m, num_classes).
    """
    limit = set_limit(validation_labels, validation_probabilities)
    sets = shortfalls(probabilities) <= limit  # (n, num_classes)
    sizes = sets.sum(axis=1)
    return PredictionSets(
        level=LEVEL,
        limit=limit,
        calibrated_on=len(validation_labels),
        coverage=float(sets[np.arange(len(labels)), labels].mean()),
        mean_size=float(sizes.mean()),
        empty=float((sizes == 0).mean()),
    )


@dataclass(frozen=True)
class Calibrator:
    """What makes answers of a network's probabilities.

    Args:
        temperature: divides the logits; 1 leaves the probabilities as they are.
        set_limit: how short of 1 a class may fall to be in a prediction set; None where none was worked out.
    """

    temperature: float
    set_limit: float | None = None

    def calibrated(self, probabilities: Floats) -> Floats:
        """What probabilities, of shape (…, num_classes), come to on pictures that the network did not learn from."""
        return calibrated(probabilities, self.temperature) if self.temperature != 1 else probabilities

    def prediction_set(self, probabilities: Floats) -> list[int]:
        """The classes that hold the true one with LEVEL, the most probable first.

        Args:
            probabilities: (num_classes,), calibrated.
        Returns: class indices; none where no class is likely enough, or no limit is known.
        """
        if self.set_limit is None:
            return []
        short = shortfalls(probabilities)
        return [int(i) for i in short.argsort(kind="stable") if short[i] <= self.set_limit]
