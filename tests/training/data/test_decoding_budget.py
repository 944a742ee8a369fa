from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from training.data import decoding_budget
from training.data.decoding_budget import MOST_WAITING, SMALL_BYTES, DecodingBudget
from training.errors import TooManyLargePictures

LARGE = 2 * SMALL_BYTES


def test_large_pictures_wait_for_one_another_and_small_ones_do_not() -> None:
    budget, held, most = DecodingBudget(2 * LARGE), 0, 0
    counting = threading.Lock()

    def decode(_number: int) -> None:
        nonlocal held, most
        with budget.held(LARGE):
            with counting:
                held += LARGE
                most = max(most, held)
            threading.Event().wait(0.01)
            with counting:
                held -= LARGE

    with ThreadPoolExecutor(2 + MOST_WAITING) as pool:
        list(pool.map(decode, range(30)))

    assert most == 2 * LARGE
    with budget.held(LARGE), budget.held(LARGE), budget.held(SMALL_BYTES), budget.held(SMALL_BYTES):
        pass


def test_no_more_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_budget, "MOST_WAITING", 0)
    budget = DecodingBudget(LARGE)

    with budget.held(LARGE), pytest.raises(TooManyLargePictures, match="again in a few seconds"), budget.held(LARGE):
        pass

    with budget.held(LARGE):  # given back
        pass


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_budget, "PATIENCE_SECONDS", 0.1)
    budget = DecodingBudget(LARGE)

    with budget.held(LARGE), pytest.raises(TooManyLargePictures), budget.held(LARGE):
        pass
