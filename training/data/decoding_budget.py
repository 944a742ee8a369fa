"""How much memory the pictures that are being decoded at a time may take together, in one process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from training.errors import TooManyLargePictures
from training.messages import N_

SMALL_BYTES = 16_000_000  # what costs no more never waits
TOTAL_BYTES = 500_000_000
MOST_WAITING = 4  # pictures; each holds a thread
PATIENCE_SECONDS = 10


class DecodingBudget:
    """Lets large pictures wait for one another; safe in threads."""

    def __init__(self, total_bytes: int) -> None:
        self._left = total_bytes
        self._waiting = 0
        self._changed = threading.Condition()

    @contextmanager
    def held(self, num_bytes: int) -> Iterator[None]:
        """Hold so much while one picture is decoded.

        Raises: TooManyLargePictures after PATIENCE_SECONDS, or at once where as many wait as may.
        """
        if num_bytes <= SMALL_BYTES:
            yield
            return
        self._take(num_bytes)
        try:
            yield
        finally:
            with self._changed:
                self._left += num_bytes
                self._changed.notify_all()

    def _take(self, num_bytes: int) -> None:
        with self._changed:
            if self._left < num_bytes and self._waiting >= MOST_WAITING:
                raise _too_many()
            self._waiting += 1
            try:
                if not self._changed.wait_for(lambda: self._left >= num_bytes, PATIENCE_SECONDS):
                    raise _too_many()
                self._left -= num_bytes
            finally:
                self._waiting -= 1


def _too_many() -> TooManyLargePictures:
    return TooManyLargePictures(
        N_("Many large pictures are being looked at just now. Send it again in a few seconds, or make it smaller.")
    )


decoding_budget = DecodingBudget(TOTAL_BYTES)
