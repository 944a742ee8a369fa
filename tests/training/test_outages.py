from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from django.db import IntegrityError, OperationalError, connection

from training import outages
from training.outages import outlasting

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(connection, "close", lambda: None)


def fails(times: float, error: Exception) -> Callable[[], str]:
    tries = itertools.count(1)

    def action() -> str:
        if next(tries) <= times:
            raise error
        return "done"

    return action


def test_what_fails_while_the_database_is_away_is_done_when_it_is_back() -> None:
    assert outlasting(fails(3, OperationalError("gone away"))) == "done"


def test_nobody_waits_for_ever() -> None:
    with pytest.raises(OperationalError):
        outlasting(fails(math.inf, OperationalError("gone away")), seconds=0.05)


def test_any_other_error_comes_at_once() -> None:
    with pytest.raises(IntegrityError):
        outlasting(fails(1, IntegrityError("no")))
