"""Shares and lengths of time as a person says them."""

from __future__ import annotations

import pytest

from webapp.presenters.durations import clock, rough
from webapp.presenters.shares import of_all, whole_percent


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.864, "86"), (1.0, "100"), (0.0, "0"), (0.9968, "99.7"), (0.9999, "99.9"), (0.002, "0.2"), (0.9949, "99")],
)
def test_a_share_is_a_whole_number_of_percent_but_never_all_of_what_is_not(share: float, shown: str) -> None:
    assert whole_percent(share) == f"{shown}\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("count", "total", "shown"), [(14, 20, "14 of 20"), (20, 20, "all 20"), (1, 1, "1 of 1"), (0, 3, "0 of 3")]
)
def test_all_of_them_are_called_all(count: int, total: int, shown: str) -> None:
    assert of_all(count, total) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(3, "10 s"), (38, "40 s"), (54, "50 s"), (56, "1 min"), (95, "2 min"), (1195, "20 min"), (5500, "1 h 30 min")],
)
def test_what_is_foretold_is_said_roughly(seconds: float, shown: str) -> None:
    assert rough(seconds) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0.9, "0:00"), (65, "1:05"), (3725, "1:02:05"), (-1, "0:00")])
def test_a_stopwatch_shows_minutes_and_seconds(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
