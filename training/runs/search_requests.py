"""What somebody asks for when a search begins. The form, the API and `manage.py search` read it the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.config import TrainingConfig
from training.config.search_space import Choices, SearchSpace, check_possible, read_space, to_dict
from training.errors import WrongConfig
from training.messages import N_
from training.models import Recognizer
from training.runs.requests import check_mirroring

MOST_RUNS = 1000
MOST_MINUTES = 7 * 24 * 60


@dataclass(frozen=True)
class SearchRequest:
    """Ranges and a budget that fit a recognizer."""

    base: TrainingConfig
    space: SearchSpace
    max_runs: int | None
    max_minutes: int | None

    @classmethod
    def of(
        cls,
        recognizer: Recognizer,
        base: TrainingConfig,
        space: Mapping[str, Any],
        *,
        max_runs: Any = None,
        max_minutes: Any = None,
    ) -> SearchRequest:
        """Read a request.

        Args:
            base: what every trial begins from.
            space: by setting a range or choices, as text ("0.001 .. 0.1", "16 | 32") or as JSON
                ({"low": 0.001, "high": 0.1}, {"choices": [16, 32]}).
            max_runs, max_minutes: the budget; at least one of them.
        Raises: WrongConfig if something is unknown, out of range, or does not suit the recognizer.
        """
        read = read_space(space, base)
        check_search(recognizer, read, base)
        runs, minutes = _budget("max_runs", max_runs, MOST_RUNS), _budget("max_minutes", max_minutes, MOST_MINUTES)
        if runs is None and minutes is None:
            raise WrongConfig(N_("The search has no end. Give a number of runs, or of minutes, or both."))
        return cls(base, read, runs, minutes)

    def values(self) -> dict[str, Any]:
        """What the search's row keeps of it."""
        budget = {"max_runs": self.max_runs, "max_minutes": self.max_minutes}
        return {"config": self.base.to_dict(), "space": to_dict(self.space), **budget}


def check_search(recognizer: Recognizer, space: SearchSpace, base: TrainingConfig) -> None:
    """Raises: WrongConfig if nothing of it can be trained, or pictures would be mirrored that must not be."""
    check_possible(space, base)
    augmentation = space.get("augmentation")
    for choice in augmentation.values if isinstance(augmentation, Choices) else ():
        check_mirroring(recognizer, base.changed({"augmentation": choice}))


def _budget(name: str, value: Any, most: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise WrongConfig(
            N_("%(name)s is “%(value)s”; expected %(expected)s."),
            name=name,
            value=str(value),
            expected=f"1 … {most}",
        )
    return value
