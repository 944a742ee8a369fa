from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher, PBKDF2PasswordHasher, get_hasher, identify_hasher
from django.contrib.auth.models import User

from webapp import hashing
from webapp.errors import Closed
from webapp.hashing import Bounded, BoundedPBKDF2PasswordHasher


class SlowHasher(MD5PasswordHasher):
    """Says how many hashed at the same time."""

    lock = threading.Lock()
    running = most = 0

    def encode(self, password: str, salt: str) -> str:
        with self.lock:
            type(self).running += 1
            type(self).most = max(self.most, self.running)
        time.sleep(0.05)
        with self.lock:
            type(self).running -= 1
        return str(super().encode(password, salt))


class BoundedSlowHasher(Bounded, SlowHasher):
    pass


def test_no_more_hash_at_a_time_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "PATIENCE_SECONDS", 60)
    hasher = BoundedSlowHasher()

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda number: hasher.encode(f"password {number}", "salt"), range(12)))

    assert BoundedSlowHasher.most == hashing.AT_ONCE


def test_who_gets_no_place_in_time_is_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "PATIENCE_SECONDS", 0.01)
    for _ in range(hashing.AT_ONCE):
        hashing.places.acquire()
    try:
        with pytest.raises(Closed, match="Too many people are signing in") as caught:
            BoundedSlowHasher().encode("password", "salt")
    finally:
        hashing.places.release(hashing.AT_ONCE)

    assert (caught.value.status, caught.value.retry_after) == (503, 2)


def test_the_site_hashes_with_it_and_reads_what_was_hashed_before(settings: Any, db: None) -> None:
    import webapp.settings

    settings.PASSWORD_HASHERS = webapp.settings.PASSWORD_HASHERS
    before = User.objects.create(username="before", password=PBKDF2PasswordHasher().encode("a long password", "salt"))

    assert isinstance(get_hasher(), BoundedPBKDF2PasswordHasher)
    assert isinstance(identify_hasher(before.password), BoundedPBKDF2PasswordHasher)
    assert before.check_password("a long password")
