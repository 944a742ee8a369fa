"""A picture that a run's page shows with what the network says of it from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from training.results.stored import Stored


@dataclass(frozen=True)
class WatchedPicture(Stored):
    """One that it does not learn from, and the keys of the classes that it was taken for."""

    sha256: str
    label: str  # key of its class
    answers: list[str] = field(default_factory=list)  # one for each epoch

    def after(self, epoch: int, answer: str) -> Self:
        """With the answer after so many epochs; what a broken-off attempt said later is forgotten."""
        return replace(self, answers=[*self.answers[: epoch - 1], answer])
