"""Browsers that have signed in before, each known by a signed cookie that names it and, hashed, who signed in."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare

COOKIE = "known_device"
KNOWN_SECONDS = 180 * 24 * 3600


def remember_device(response: HttpResponse, username: str) -> None:
    value = signing.dumps({"device": secrets.token_urlsafe(12), "name": hashed(username)}, salt=COOKIE)
    response.set_cookie(
        COOKIE,
        value,
        max_age=KNOWN_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def device_of(request: HttpRequest, username: str) -> str:
    """Which browser it is, if it has signed in under this name; else empty."""
    known = _read(request)
    return str(known["device"]) if known and constant_time_compare(known["name"], hashed(username)) else ""


def is_known(request: HttpRequest) -> bool:
    """Whether it has signed in at all."""
    return bool(_read(request))


def _read(request: HttpRequest) -> dict[str, Any]:
    try:
        return dict(signing.loads(request.COOKIES.get(COOKIE, ""), salt=COOKIE, max_age=KNOWN_SECONDS))
    except signing.BadSignature:
        return {}


def hashed(username: str) -> str:
    """Names that look alike count together, and none is written into Redis."""
    alike = unicodedata.normalize("NFKC", username).strip().casefold()
    return hashlib.sha256(alike.encode(errors="surrogatepass")).hexdigest()[:32]
