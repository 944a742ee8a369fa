"""A worker that has nothing to do looks for rows that wait: what is asked for is done without a broker too."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Collection
from functools import partial

from django.db import connection

from training.runs import waiting
from training.runs.presence import announce
from training.runs.reconciler import take_back

LOOK_EVERY_SECONDS = 10
JITTER = 0.2  # share of it, so that workers that were started together do not look together

log = logging.getLogger(__name__)


class IdleLooks:
    """Looks every ten seconds, and again as soon as what it found is done.

    Args:
        name: Celery's name of the worker.
        queues: the names of those it consumes.
        num_threads: how many things it does at once.
        num_busy: how many of its threads carry out messages now.
        hand_over: lets one of them call a function.
    """

    def __init__(
        self,
        name: str,
        queues: Collection[str],
        *,
        num_threads: int,
        num_busy: Callable[[], int],
        hand_over: Callable[[Callable[[], None]], object],
    ) -> None:
        self._name = name
        self._queues = queues
        self._num_threads = num_threads
        self._num_busy = num_busy
        self._hand_over = hand_over
        self._handed_over: set[waiting.Waiting] = set()
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._keep_looking, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Nothing is handed over any more when this returns, unless the database hangs."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(LOOK_EVERY_SECONDS)

    def _keep_looking(self) -> None:
        announce(self._name, self._queues)
        while not self._is_stopping:
            self._wake.wait(LOOK_EVERY_SECONDS * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311
            self._wake.clear()
            if not self._is_stopping:
                self._look()

    def _look(self) -> None:
        """A database that is away is asked again the next time."""
        try:
            if self._num_busy() + len(self._handed_over) >= self._num_threads:
                return
            take_back()
            found = waiting.oldest(self._queues)
            if found and found not in self._handed_over:
                self._handed_over.add(found)
                self._hand_over(partial(self._carry_out, found))
        except Exception as error:
            log.warning("%s could not look for what waits: %s", self._name, str(error).strip())
        finally:
            connection.close()

    def _carry_out(self, found: waiting.Waiting) -> None:
        try:
            if found.carry_out(found.pk, self._name):
                self._wake.set()
        except Exception:
            log.exception("%s broke off", found)
        finally:
            self._handed_over.discard(found)
            connection.close()
