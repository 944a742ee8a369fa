"""Counting in a real Redis: at once, killed, frozen and started again."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from limits import RateLimitItemPerMinute

from tests.webapp.operations.test_embedded_redis import running
from webapp import counters
from webapp.counters import Away, give_back, seconds_left, spend, take
from webapp.operations.embedded_redis import socket_path, socket_url

THREE = RateLimitItemPerMinute(3, 15)


@pytest.fixture(autouse=True)
def _nothing_counted() -> Any:
    counters.breaker.forget()
    yield
    counters.breaker.forget()


@pytest.fixture
def _away(tmp_path: Path, settings: Any) -> None:
    settings.REDIS_URL = socket_url(tmp_path)


@pytest.mark.usefixtures("_counting")
def test_of_many_at_once_exactly_so_many_are_taken() -> None:
    with ThreadPoolExecutor(32) as threads:
        waits = list(threads.map(lambda _: take(THREE, "someone"), range(200)))

    assert waits.count(0) == 3
    assert all(0 < each <= 900 for each in waits if each)


@pytest.mark.usefixtures("_counting")
def test_what_is_given_back_may_be_taken_again() -> None:
    for _ in range(20):
        assert take(THREE, "right") == 0
        give_back(THREE, "right")

    assert [take(THREE, "right") == 0 for _ in range(4)] == [True, True, True, False]


@pytest.mark.usefixtures("_counting")
def test_looking_counts_nothing() -> None:
    assert [seconds_left(THREE, "looked at") for _ in range(10)] == [0] * 10

    for _ in range(3):
        take(THREE, "looked at")

    assert 890 < seconds_left(THREE, "looked at") <= 900


@pytest.mark.usefixtures("_counting")
def test_others_are_counted_by_themselves() -> None:
    for _ in range(4):
        take(THREE, "one")

    assert take(THREE, "another") == 0


@pytest.mark.usefixtures("_counting")
def test_what_is_kept_in_redis_goes_when_its_time_is_over(redis_folder: Path) -> None:
    take(THREE, "one")
    spend(THREE, "one")

    with redis.Redis(unix_socket_path=str(socket_path(redis_folder))) as client:
        keys = client.keys()
        assert len(keys) == 2
        assert all(key.startswith(b"discern-rates") and 0 < client.ttl(key) <= 1800 for key in keys)


@pytest.mark.usefixtures("_away")
def test_without_redis_what_must_be_exact_is_not_counted() -> None:
    for call in (take, seconds_left):
        with pytest.raises(Away):
            call(THREE, "someone")


@pytest.mark.usefixtures("_away")
def test_without_redis_the_rest_is_counted_here(request: pytest.FixtureRequest) -> None:
    name = request.node.nodeid

    assert [spend(THREE, name) == 0 for _ in range(5)] == [True, True, True, False, False]


@pytest.mark.usefixtures("_away")
def test_without_redis_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MAX_KEYS_IN_MEMORY", 50)

    for number in range(500):
        spend(THREE, f"address {number}")

    assert len(counters._memory().storage) <= 51


def test_a_redis_that_is_killed_and_started_again_counts_again(tmp_path: Path, settings: Any) -> None:
    settings.REDIS_URL = socket_url(tmp_path)
    with running(tmp_path) as (_, server):
        assert take(THREE, "before") == 0
        server.send_signal(signal.SIGKILL)
        server.wait()
        with pytest.raises(Away):
            take(THREE, "meanwhile")

    with running(tmp_path):
        counters.breaker.forget()
        assert take(THREE, "after") == 0


def test_a_redis_that_was_started_anew_meanwhile_is_not_away(tmp_path: Path, settings: Any) -> None:
    settings.REDIS_URL = socket_url(tmp_path)
    with running(tmp_path):
        take(THREE, "before")

    with running(tmp_path):
        assert take(THREE, "on a connection that it has closed") == 0


def test_a_frozen_redis_holds_nobody_for_long(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = socket_url(tmp_path)
    monkeypatch.setattr(counters, "REST_SECONDS", 60)
    with running(tmp_path) as (_, server):
        take(THREE, "before")
        server.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(Away):
            take(THREE, "first")
        first = time.monotonic() - started
        for _ in range(100):
            with pytest.raises(Away):
                take(THREE, "next")
        all_of_them = time.monotonic() - started
        server.send_signal(signal.SIGCONT)

    assert first >= counters.PATIENCE_SECONDS
    assert all_of_them < first + 1  # nobody else has waited


def test_of_many_that_find_redis_frozen_one_tries_again(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = socket_url(tmp_path)
    monkeypatch.setattr(counters, "REST_SECONDS", 0.3)
    tries: list[None] = []
    original = counters._hit

    def hit(*args: Any) -> float:
        tries.append(None)
        return original(*args)

    with running(tmp_path) as (_, server), ThreadPoolExecutor(12) as threads:
        server.send_signal(signal.SIGSTOP)
        with pytest.raises(Away):
            take(THREE, "first")
        time.sleep(0.4)
        monkeypatch.setattr(counters, "REST_SECONDS", 60)
        monkeypatch.setattr(counters, "_hit", hit)
        asked = [threads.submit(take, THREE, "again") for _ in range(12)]
        errors = [each.exception() for each in asked]
        server.send_signal(signal.SIGCONT)

    assert all(isinstance(error, Away) for error in errors)
    assert len(tries) == 1
