"""Who goes on trying to sign in after many refusals is answered for next to nothing: no session, no Redis, no page.

A refused login costs as much as any page: sixty-four clients that do nothing else would let a visitor wait a second.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from webapp.devices import is_known
from webapp.errors import Refused
from webapp.operations.prometheus import count_turned_away
from webapp.trusted_proxies import Handler, network_of

MANY = 10
MAX_NETWORKS = 10_000
MEANS_ALL = ("address", "hashing", "redis")  # refusals that whoever comes from there would get, under any name


@dataclass
class Refusals:
    """Of one network, until the last of them has lost its reason."""

    number: int
    status: int
    until: float  # as time.monotonic() counts


_lock = threading.Lock()
_by_network: dict[str, Refusals] = {}


class Floods:
    """Stands before whatever costs something."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and request.path == reverse("login") and not is_known(request):
            refusals = _by_network.get(_network(request))
            seconds = refusals.until - time.monotonic() if refusals else 0
            if refusals and refusals.number >= MANY and seconds > 0:
                count_turned_away("logins", "flood")
                return _refuse(refusals.status, seconds)
        return self.get_response(request)


def remember(request: HttpRequest, error: Refused) -> None:
    """Count a refusal that anybody from there would get."""
    if error.kind != "logins" or error.by not in MEANS_ALL:
        return
    network, now = _network(request), time.monotonic()
    with _lock:
        if len(_by_network) >= MAX_NETWORKS:
            _by_network.clear()
        before = _by_network.get(network)
        number = before.number + 1 if before and before.until > now else 1
        _by_network[network] = Refusals(number, error.status, now + error.retry_after)


def forget() -> None:
    with _lock:
        _by_network.clear()


def _network(request: HttpRequest) -> str:
    return network_of(request.META.get("REMOTE_ADDR", ""))


def _refuse(status: int, seconds: float) -> HttpResponse:
    headers = {"Retry-After": str(max(1, round(seconds))), "Cache-Control": "no-store"}
    return HttpResponse(_page(), status=status, headers=headers)


@cache
def _page() -> str:
    return render_to_string("flood.html")
