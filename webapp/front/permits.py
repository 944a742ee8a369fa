"""Whether staff sends a large body, found out before it is received, beside the thread that serves all connections."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from http.cookies import CookieError
from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.db import Error, close_old_connections
from django.http import HttpRequest, parse_cookie

from webapp.front.requests import Refusal

log = logging.getLogger(__name__)


class Permits:
    """Asks the database in a thread of its own; a database that is away holds up large uploads alone."""

    def __init__(self) -> None:
        self._asking = ThreadPoolExecutor(1, "permits")

    def ask(self, cookie_header: str) -> Future[Refusal | None]:
        """What a request with this Cookie header is told; None: it may send its body."""
        return self._asking.submit(refusal_of, cookie_header)


def refusal_of(cookie_header: str) -> Refusal | None:
    """Look the session up."""
    close_old_connections()
    try:
        return None if _is_staff(cookie_header) else Refusal.NOT_STAFF
    except Error as error:
        log.error("Nobody knows who sends a large upload: %s", str(error).strip())
        return Refusal.DATABASE_AWAY
    finally:
        close_old_connections()


def _is_staff(cookie_header: str) -> bool:
    try:
        key = parse_cookie(cookie_header).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return False
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = get_user(request)
    return user.is_active and getattr(user, "is_staff", False)
