"""A network that network selection tries, as the run's page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.results.stored import Stored

State = Literal["waits", "works", "done", "left_out"]


@dataclass(frozen=True)
class Candidate(Stored):
    """How far it is, and what it has come to."""

    network: str  # name in training.config.choices
    state: State = "waits"
    done: float = 0.0  # share of its work
    accuracy: float | None = None  # share of 1 of pictures it had not learned from; none until there is a figure
    seconds_left: float | None = None  # of its work; none until that can be told
    is_chosen: bool = False
