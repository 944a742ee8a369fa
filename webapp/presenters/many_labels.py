"""Labels where there may be hundreds: some are shown at once, and how many there are is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.models import LabelNames, ModelVersion

MOST_NAMED = 12  # at once, on the visitors' page
MOST_SHOWN = 30  # at once, to staff


@dataclass(frozen=True)
class Known:
    """The names of what a version tells apart."""

    names: list[str]

    @classmethod
    def of(cls, version: ModelVersion | None, names: LabelNames) -> Known:
        return cls([names[key] for key in version.class_names] if version else [])

    @property
    def some(self) -> list[str]:
        """All of a few; of many some from everywhere among them."""
        step = max(1, -(-len(self.names) // MOST_NAMED))
        return self.names[step // 2 :: step] if step > 1 else self.names

    @property
    def num_more(self) -> int:
        return len(self.names) - len(self.some)


@dataclass(frozen=True)
class Shown:
    """Labels with their `num_pictures`, some at once and the others, as names, on demand."""

    first: list[Any]
    others: list[Any]

    @classmethod
    def of(cls, labels: Sequence[Any]) -> Shown:
        """All of a few in their order; of many those that have pictures, the most first."""
        if len(labels) <= MOST_SHOWN:
            return cls(list(labels), [])
        by_size = sorted(with_pictures(labels), key=lambda label: -label.num_pictures)
        first = by_size[:MOST_SHOWN]
        return cls(first, sorted(set(labels) - set(first), key=lambda label: label.name.casefold()))


def with_pictures(labels: Sequence[Any]) -> list[Any]:
    """All of a few; of many those that have pictures."""
    return [label for label in labels if label.num_pictures or len(labels) <= MOST_SHOWN]
