"""Who may have a password checked. Wrong ones are counted in Redis, right ones are not; without Redis nobody may.

By address and by name (RATE_LOGINS each), and five in a quarter of an hour by both. A name that is tried from
everywhere is closed only to places from which it has never signed in. A browser that has signed in before is counted by
itself: nobody at the same address can lock it out (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from axes.backends import AxesBackend
from axes.models import AccessLog
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from limits import RateLimitItem, RateLimitItemPerMinute

from training.messages import N_
from webapp.counters import REST_SECONDS, Away, give_back, seconds_left, take
from webapp.devices import device_of, hashed
from webapp.errors import Closed, Refused
from webapp.hashing import too_busy
from webapp.rates import period_of
from webapp.trusted_proxies import network_of

FEW = RateLimitItemPerMinute(5, 15)
AT_ONCE = 6  # being checked or waiting for it; the other threads of webapp/server.py are for pages
SENTENCES = {
    "address": N_("More than %(number)d passwords %(period)s from your network were wrong. Try again %(when)s."),
    "name": N_(
        "More than %(number)d wrong passwords %(period)s were tried for this name. Try again %(when)s, or sign in from "
        "where you did before."
    ),
    "pair": N_("The password was wrong too often. Try again %(when)s."),
    "device": N_("The password was wrong too often. Try again %(when)s."),
}

places = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Window:
    """One count of wrong passwords."""

    by: str  # address, name, pair or device
    item: RateLimitItem
    key: str

    def take(self) -> float:
        return take(self.item, "logins", self.by, self.key)

    def give_back(self) -> None:
        give_back(self.item, "logins", self.by, self.key)

    def seconds_left(self) -> float:
        return seconds_left(self.item, "logins", self.by, self.key)

    def refusal(self, seconds: float) -> Refused:
        return Refused(
            N_("Too many attempts"),
            SENTENCES[self.by],
            kind="logins",
            by=self.by,
            retry_after=seconds,
            number=self.item.amount,
            period=period_of(self.item),
        )


class PasswordBackend(AxesBackend):  # type: ignore[misc]  # axes has no types
    """The only way to a password check, for every form that signs somebody in or asks for the password again.

    `authenticate` raises Refused where the password may not be looked at now.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if username is None or password is None:
            return None
        super().authenticate(request, username=username, password=password, **kwargs)  # asks for a request
        assert request is not None
        with _checked(request, username) as windows:
            user = ModelBackend.authenticate(self, request, username=username, password=password)
            if user:
                for window in windows:
                    window.give_back()
        if user is None:
            raise PermissionDenied  # or the next backend would check it again
        return user


def refuse_if_spent(request: HttpRequest, username: str) -> None:
    """Raises: Refused where the next password for this name, from here, would not be looked at."""
    try:
        for window in _windows(request, username):
            if (seconds := window.seconds_left()) and not _is_excused(window, request, username):
                raise window.refusal(seconds)
    except Away as error:
        raise _closed() from error


@contextmanager
def _checked(request: HttpRequest, username: str) -> Iterator[list[Window]]:
    """Hold one of the places, counted as if the password were wrong. Raises: Refused."""
    if not places.acquire(blocking=False):
        raise too_busy()
    try:
        windows = _take(request, username)
        try:
            yield windows
        except BaseException:  # it was not looked at
            for window in windows:
                window.give_back()
            raise
    finally:
        places.release()


def _take(request: HttpRequest, username: str) -> list[Window]:
    taken: list[Window] = []
    try:
        for window in _windows(request, username):
            if not (seconds := window.take()):
                taken.append(window)
            elif not _is_excused(window, request, username):
                raise window.refusal(seconds)
    except Exception as error:
        for window in taken:
            window.give_back()
        if isinstance(error, Away):
            raise _closed() from error
        raise
    return taken


def _windows(request: HttpRequest, username: str) -> list[Window]:
    if not settings.RATE_LOGINS:
        return []
    if device := device_of(request, username):
        return [Window("device", FEW, device)]
    network, name = network_of(request.META.get("REMOTE_ADDR", "")), hashed(username)
    return [
        *(Window("address", item, network) for item in settings.RATE_LOGINS),
        Window("pair", FEW, f"{name}-{network}"),
        *(Window("name", item, name) for item in settings.RATE_LOGINS),
    ]


def _is_excused(window: Window, request: HttpRequest, username: str) -> bool:
    """A name that strangers try in vain stays open to where its owner has signed in lately."""
    if window.by != "name":
        return False
    here = network_of(request.META.get("REMOTE_ADDR", ""))
    addresses = AccessLog.objects.filter(username=username).order_by().values_list("ip_address", flat=True).distinct()
    return any(network_of(address or "") == here for address in addresses)


def _closed() -> Closed:
    return Closed(
        N_("Signing in is closed for a moment"),
        N_(
            "Wrong passwords cannot be counted just now, so nobody is let in; whoever is signed in goes on. Try again "
            "%(when)s. If it stays so, tell whoever runs this site that Redis does not answer."
        ),
        kind="logins",
        by="redis",
        retry_after=REST_SECONDS,
    )
