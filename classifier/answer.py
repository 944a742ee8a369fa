"""From a network's scores to the answer a visitor reads."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import IntegrityError
from numpy.typing import NDArray

from classifier.models import Prediction
from training.models import LabelNames, ModelVersion

KEPT_SCORES = 5


@dataclass(frozen=True)
class Score:
    label: str  # key of the class
    probability: float


@dataclass(frozen=True)
class Answer:
    """What a version makes of a picture: every class, the most probable first; the probabilities are calibrated."""

    version: ModelVersion
    scores: list[Score]
    milliseconds: float  # from bytes to scores
    possible: tuple[str, ...] = ()  # keys of the classes that hold the true one with 90 %

    @property
    def best(self) -> Score:
        return self.scores[0]

    @property
    def could_also_be(self) -> list[str]:
        """What else it could well be, by key."""
        return [label for label in self.possible if label != self.best.label]

    def record(self, source: str) -> None:
        """Keep the answer as a row, unless its version has been deleted since it answered."""
        with suppress(IntegrityError):  # each statement is a transaction of its own here
            Prediction.objects.create(
                version=self.version,
                label=self.best.label,
                probability=self.best.probability,
                scores=self.as_rows(KEPT_SCORES),
                source=source,
                milliseconds=self.milliseconds,
            )

    def named(self, names: LabelNames) -> list[dict[str, Any]]:
        """Every class with its name, as the API and the command line give it."""
        return [{"name": names[row["label"]], **row} for row in self.as_rows()]

    def as_rows(self, count: int | None = None) -> list[dict[str, Any]]:
        return [vars(score) for score in self.scores[:count]]


def ranked(class_names: list[str], probabilities: NDArray[np.floating[Any]]) -> list[Score]:
    """The classes by falling probability; `probabilities` has shape (num_classes,)."""
    order = np.argsort(-probabilities, kind="stable")
    return [Score(class_names[i], float(min(1.0, max(0.0, probabilities[i])))) for i in order]
