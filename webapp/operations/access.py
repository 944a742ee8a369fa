"""Who may read how the site is doing: /metrics, and the reasons in /readyz."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.http import HttpRequest

from webapp.trusted_proxies import is_forwarded, parsed


def may_look(request: HttpRequest, *, by_session: bool = True) -> bool:
    """Whoever holds METRICS_TOKEN, staff, and where no token is set also this machine itself.

    Args:
        by_session: false leaves the session alone, which is a row: for when the database is away.
    """
    known = has_token(request) if settings.METRICS_TOKEN else is_local(request)
    return known or (by_session and is_staff(request))


def has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").encode()
    return secrets.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode())


def is_local(request: HttpRequest) -> bool:
    """Whether it was sent on this machine, and not by a proxy: that one speaks for somebody else, whatever it says."""
    address = parsed(request.META.get("REMOTE_ADDR", ""))  # None: a Unix socket, behind which stands a proxy
    return address is not None and address.is_loopback and not is_forwarded(request)


def is_staff(request: HttpRequest) -> bool:
    return bool(request.COOKIES.get(settings.SESSION_COOKIE_NAME)) and getattr(request.user, "is_staff", False)
