"""How long something takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def median(rounds: int, action: Callable[[], object]) -> float:
    """The median of some rounds, in seconds."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
