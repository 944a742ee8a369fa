"""Hashing a password takes 0.3 to 0.5 s of a core: two at a time may, whatever for, so that pages go on."""

from __future__ import annotations

import os
import threading
from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher, PBKDF2PasswordHasher

from training.messages import N_
from webapp.errors import Closed

AT_ONCE = min(2, os.cpu_count() or 1)
PATIENCE_SECONDS = 5.0

places = threading.BoundedSemaphore(AT_ONCE)


class Bounded(BasePasswordHasher):
    """Mixed into a hasher: it waits for a place. Raises: Closed if none gets free in time."""

    def encode(self, password: str, salt: str, *iterations: Any) -> str:
        if not places.acquire(timeout=PATIENCE_SECONDS):
            raise too_busy()
        try:
            return str(super().encode(password, salt, *iterations))
        finally:
            places.release()


class BoundedPBKDF2PasswordHasher(Bounded, PBKDF2PasswordHasher):
    """Django's own; what was hashed before is read as it always was."""


def too_busy() -> Closed:
    return Closed(
        N_("Many are signing in"),
        N_("Too many people are signing in at this moment. Try again %(when)s."),
        kind="logins",
        by="hashing",
        retry_after=2,
    )
