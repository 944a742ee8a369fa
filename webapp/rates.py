"""How often one may ask: RATE_ANSWERS and RATE_UPLOADS, counted by account, or by address where nobody is signed in.

What this machine asks itself is not counted, unless a proxy is named. While Redis is away, each process counts alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from limits import RateLimitItem

from training.messages import N_, Sentence, say
from webapp import floods
from webapp.counters import spend
from webapp.errors import Refused
from webapp.operations.access import is_local
from webapp.operations.prometheus import count_turned_away
from webapp.refusals import plain_refusal
from webapp.trusted_proxies import names_proxies, network_of

TOO_MANY = {
    "answers": {
        "address": N_("More than %(number)d pictures %(period)s came from your network. Try again %(when)s."),
        "account": N_("More than %(number)d pictures %(period)s came from your account. Try again %(when)s."),
    },
    "uploads": {
        "address": N_("More than %(number)d uploads %(period)s came from your network. Try again %(when)s."),
        "account": N_("More than %(number)d uploads %(period)s came from your account. Try again %(when)s."),
    },
}
PERIODS = {
    "second": (N_("within one second"), N_("within %(number)d seconds")),
    "minute": (N_("within one minute"), N_("within %(number)d minutes")),
    "hour": (N_("within one hour"), N_("within %(number)d hours")),
    "day": (N_("within one day"), N_("within %(number)d days")),
}


def counted(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a view's POST count among "answers" or "uploads", before its body is read.

    Raises: Refused, which `Refusals` turns into an answer.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.method == "POST":
                count(request, kind)
            return view(request, *args, **kwargs)

        return asked

    return decorate


def count(request: HttpRequest, kind: str) -> None:
    """Raises: Refused."""
    rates = getattr(settings, f"RATE_{kind.upper()}")
    if not rates or (is_local(request) and not names_proxies()):
        return
    by, whom = _who_asks(request)
    for item in rates:
        if seconds := spend(item, kind, by, whom):
            raise Refused(
                N_("Too many at once"),
                TOO_MANY[kind][by],
                kind=kind,
                by=by,
                retry_after=seconds,
                number=item.amount,
                period=period_of(item),
            )


def period_of(item: RateLimitItem) -> Sentence:
    one, several = PERIODS[item.GRANULARITY.name]
    return {"template": one if item.multiples == 1 else several, "params": {"number": item.multiples}}


def _who_asks(request: HttpRequest) -> tuple[str, str]:
    if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
        return "account", str(request.user.pk)
    return "address", network_of(request.META.get("REMOTE_ADDR", ""))


class Refusals(MiddlewareMixin):
    """Answers 429 or 503 where a view, or what it called, has raised Refused."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return answer(request, error) if isinstance(error, Refused) else None


def answer(request: HttpRequest, error: Refused) -> HttpResponse:
    """A page, the sentence alone where htmx asked, or JSON."""
    count_turned_away(error.kind, error.by)
    floods.remember(request, error)
    headers = {"Retry-After": str(error.retry_after), "Cache-Control": "no-store"}
    return plain_refusal(request, error.status, say(error.what), str(error), headers)
