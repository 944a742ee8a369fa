"""How often something was done lately: windows of time, counted in the installation's Redis by the library limits.

`spend` may be wrong by a little and goes on in this process's memory while Redis is away. `take` counts exactly, can be
given back, and raises Away instead. A Redis that hangs costs one caller in two seconds half a second, and nobody else.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar, cast

import redis
from django.conf import settings
from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

T = TypeVar("T")
PATIENCE_SECONDS = 0.5
REST_SECONDS = 2.0  # how long a Redis that failed is left alone
MAX_KEYS_IN_MEMORY = 20_000
PREFIX = "discern-rates"

log = logging.getLogger(__name__)


class Away(Exception):
    """Redis does not answer, or not in time."""


class Breaker:
    """Leaves something that failed alone for a while, then lets one caller try again; safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_failed = False
        self._next_try = 0.0  # as time.monotonic() counts

    def call(self, action: Callable[[], T]) -> T:
        """Raises: Away."""
        with self._lock:
            if self._has_failed and time.monotonic() < self._next_try:
                raise Away("it did not answer a moment ago")
            self._next_try = time.monotonic() + REST_SECONDS  # meanwhile, of many, one tries
        try:
            result = action()
        except (redis.RedisError, OSError) as error:
            self._failed(error)
            raise Away(str(error)) from error
        self.forget()
        return result

    def forget(self) -> None:
        """Let the next caller try."""
        self._has_failed = False

    def _failed(self, error: Exception) -> None:
        with self._lock:
            if not self._has_failed:
                log.warning("Redis does not count: %s. Pictures go on being answered, signing in is closed.", error)
            self._has_failed = True
            self._next_try = time.monotonic() + REST_SECONDS


breaker = Breaker()


def spend(item: RateLimitItem, *names: str) -> float:
    """Count one more under these names. Returns: 0, or where that was too many the seconds until the next may come."""
    try:
        return breaker.call(lambda: _hit(SlidingWindowCounterRateLimiter(_shared()), item, names))
    except Away:
        return _hit(SlidingWindowCounterRateLimiter(_own()), item, names)


def take(item: RateLimitItem, *names: str) -> float:
    """As `spend`, but exact. Raises: Away."""
    return breaker.call(lambda: _hit(MovingWindowRateLimiter(_shared()), item, names))


def give_back(item: RateLimitItem, *names: str) -> None:
    """Take back what `take` has counted; while Redis is away it stays counted.

    limits keeps a moving window as a list of times, the latest first. It has no call for this.
    """

    def forget_latest() -> None:
        client = cast(redis.Redis, _shared().get_connection())
        client.lpop(_shared().prefixed_key(item.key_for(*names)))

    try:
        breaker.call(forget_latest)
    except Away as error:
        log.warning("A login that was right stays counted: %s", error)


def seconds_left(item: RateLimitItem, *names: str) -> float:
    """What `take` would return, without counting. Raises: Away."""

    def ask() -> float:
        limiter = MovingWindowRateLimiter(_shared())
        return 0.0 if limiter.test(item, *names) else _seconds_until_reset(limiter, item, names)

    return breaker.call(ask)


def _hit(limiter: RateLimiter, item: RateLimitItem, names: tuple[str, ...]) -> float:
    return 0.0 if limiter.hit(item, *names) else _seconds_until_reset(limiter, item, names)


def _seconds_until_reset(limiter: RateLimiter, item: RateLimitItem, names: tuple[str, ...]) -> float:
    return max(1.0, math.ceil(limiter.get_window_stats(item, *names).reset_time - time.time()))


def _shared() -> RedisStorage:
    return _storage_at(settings.REDIS_URL.replace("redis+socket://", "unix://"))  # Celery's word for it


@cache
def _storage_at(address: str) -> RedisStorage:
    pool = redis.ConnectionPool.from_url(
        address,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        # A server that was started anew has closed our connections: again, on a new one. A timeout is no such error.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    return RedisStorage("redis://", connection_pool=pool, key_prefix=PREFIX)


def _own() -> MemoryStorage:
    storage = _memory()
    if len(storage.storage) > MAX_KEYS_IN_MEMORY:  # somebody has more addresses than we have room for
        storage.reset()
    return storage


@cache
def _memory() -> MemoryStorage:  # begins a thread, so not before it is needed
    return MemoryStorage()
