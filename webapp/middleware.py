"""What a visitor reads while the database is away or locked: 503 and when to try again, in place of 500 or of nothing.

A request that waits for the database holds one of the few threads of webapp/server.py, for 20 s where SQLite is locked.
So that pages, static files and /healthz go on, requests that change something may hold most of the threads, all that
may ask the database nearly all, and when nothing moves the next ones are turned away at once.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.defaults import server_error
from pydantic import ValidationError

from webapp.front.limits import THREADS

Handler = Callable[[HttpRequest], HttpResponse]
RETRY_SECONDS = 10  # what Retry-After says
STUCK_SECONDS = 2.0
WITHOUT_A_WAIT = ("/healthz", "/readyz")  # these never wait for the database, or not for long
CHANGES_NOTHING = ("GET", "HEAD", "OPTIONS")
OUTAGES = (OperationalError, InterfaceError)
OUTAGE_NAMES = ("OperationalError", "InterfaceError")  # as pydantic reports what it met

log = logging.getLogger(__name__)


class NoRoom(Exception):
    """Every place is taken, and none has been given back for a while."""


class Room:
    """Holds a number of requests at a time; safe in threads."""

    def __init__(self, size: int) -> None:
        self._places = threading.BoundedSemaphore(size)
        self._moved_at = 0.0  # when one last came or went, as time.monotonic() counts

    def __enter__(self) -> None:
        """Raises: NoRoom."""
        patience = self._moved_at + STUCK_SECONDS - time.monotonic()
        if not self._places.acquire(timeout=max(0.0, patience)):
            raise NoRoom("as many requests as may wait are waiting")
        self._moved_at = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self._places.release()
        self._moved_at = time.monotonic()


all_requests, changes = Room(THREADS - 2), Room(THREADS - 4)


class DatabaseAway:
    """Answers 503 where the database fails a view, or keeps too many waiting.

    Django closes the broken connection itself when the request ends, so the next one opens another.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path in WITHOUT_A_WAIT:
            return self.get_response(request)
        with ExitStack() as stack:
            try:
                if request.method not in CHANGES_NOTHING:
                    stack.enter_context(changes)
                stack.enter_context(all_requests)
            except NoRoom as error:
                return away(request, error)
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return away(request, error) if is_outage(error) else None


def handle_500(request: HttpRequest) -> HttpResponse:
    """Django's handler500. The errors of other middleware arrive only here: sessions and users are rows as well."""
    error = sys.exc_info()[1]
    return away(request, error) if error and is_outage(error) else server_error(request)


def is_outage(error: BaseException) -> bool:
    if isinstance(error, ValidationError):  # rows that the API read while it wrote its answer
        return any(str(each.get("ctx", {}).get("error", "")).startswith(OUTAGE_NAMES) for each in error.errors())
    return isinstance(error, OUTAGES)


def away(request: HttpRequest, error: BaseException) -> HttpResponse:
    """The answer of 503, made without the database: no session, no user."""
    log.error("Turned away %s %s: %s", request.method, request.path, str(error).strip())
    headers, is_crowded = {"Retry-After": str(RETRY_SECONDS)}, isinstance(error, NoRoom)
    if request.path.startswith("/api/"):
        crowded = _("More has come at once than this site can answer. Try again in a moment.")
        sentence = crowded if is_crowded else _("The database is away or busy. Try again in a moment.")
        return JsonResponse({"detail": sentence}, status=503, headers=headers)
    return HttpResponse(render_to_string("503.html", {"is_crowded": is_crowded}), status=503, headers=headers)
