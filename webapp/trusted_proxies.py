"""Whom a request comes from: the peer, or whoever a proxy named in TRUSTED_PROXIES says it speaks for.

Only from these are X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host believed; from everybody else they are taken
away before anything can read them. What stands behind needs to know REMOTE_ADDR and `request.is_secure()` alone.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FOR, PROTO, HOST = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST"
SIGNS_OF_A_PROXY = (FOR, PROTO, HOST, "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_VIA")  # it speaks for somebody else
IS_FORWARDED = "discern.is_forwarded"

log = logging.getLogger(__name__)


class TrustedProxies:
    """Stands before all other middleware."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self._has_warned = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        peer = parsed(meta.get("REMOTE_ADDR", ""))
        speaks_for_others = is_trusted(peer)
        meta[IS_FORWARDED] = speaks_for_others or any(name in meta for name in SIGNS_OF_A_PROXY)
        if speaks_for_others:
            _believe(request, peer)
        else:
            self._warn_once(request)
            for name in (FOR, HOST) if settings.SECURE_PROXY_SSL_HEADER else (FOR, PROTO, HOST):
                meta.pop(name, None)
        return self.get_response(request)

    def _warn_once(self, request: HttpRequest) -> None:
        if FOR not in request.META or self._has_warned or names_proxies():
            return
        self._has_warned = True
        log.warning(
            "%s sends X-Forwarded-For, but TRUSTED_PROXIES names no proxy: all who come through it count as one "
            "address. If it is your proxy, set TRUSTED_PROXIES to its address.",
            request.META.get("REMOTE_ADDR") or "A Unix socket",
        )


def names_proxies() -> bool:
    return bool(settings.TRUSTED_PROXIES or settings.TRUSTS_UNIX_SOCKET)


def is_forwarded(request: HttpRequest) -> bool:
    """Whether a proxy, named or not, brought it: then it is from somebody else, and never from this machine."""
    return bool(request.META.get(IS_FORWARDED, any(name in request.META for name in SIGNS_OF_A_PROXY)))


def parsed(text: str) -> Address | None:
    """An address as it stands in REMOTE_ADDR or X-Forwarded-For, if need be with a port, brackets or a zone.

    IPv4 within IPv6 is IPv4. Returns: None for anything else, such as the peer of a Unix socket.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_trusted(address: Address | None) -> bool:
    if address is None:
        return bool(settings.TRUSTS_UNIX_SOCKET)
    return any(address in network for network in settings.TRUSTED_PROXIES)


def network_of(text: str) -> str:
    """What counts as one visitor: an IPv4 address, or 64 bits of an IPv6 one, which is what one household is given."""
    address = parsed(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address or "socket")


def _believe(request: HttpRequest, peer: Address | None) -> None:
    """Put in place what the proxies say, each as far as one that is trusted wrote it."""
    meta = request.META
    hops, client = 1, peer
    for text in reversed(_values(request, FOR)):
        address = parsed(text)
        if address is None:  # nobody's address: believe no further
            break
        client = address
        if not is_trusted(address):
            break
        hops += 1
    if client:
        meta["REMOTE_ADDR"] = str(client)
    proto, host = _written_by_the(hops, _values(request, PROTO)), _written_by_the(hops, _values(request, HOST))
    if proto in ("http", "https"):
        meta["wsgi.url_scheme"] = proto
    if host:
        meta["HTTP_HOST"] = host


def _values(request: HttpRequest, name: str) -> list[str]:
    return [each.strip() for each in request.META.get(name, "").split(",") if each.strip()]


def _written_by_the(hops: int, values: list[str]) -> str:
    """Of what each proxy added, what the outermost trusted one did; left of it stands what anybody may have sent."""
    return values[-min(hops, len(values))] if values else ""
