"""What is answered to a request whose body was not received."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from training.disk import disk_full
from training.messages import N_
from webapp.front.body_limits import ANYWHERE, body_limit
from webapp.front.requests import REFUSAL, Refusal

Handler = Callable[[HttpRequest], HttpResponse]
ANSWERS: dict[Refusal, tuple[int, str]] = {
    Refusal.TOO_LARGE: (413, N_("The request has more than the %(limit).1f MB that this address takes. Send less.")),
    Refusal.NO_LENGTH: (411, N_("The request does not say how long it is. Send it again with a Content-Length.")),
    Refusal.NOT_STAFF: (403, N_("Only staff may send so much. Sign in first, then send it again.")),
    Refusal.DATABASE_AWAY: (503, N_("The database is away or busy. Try again in a moment.")),
    Refusal.NO_ROOM: (507, disk_full().template),
}
RETRY_SECONDS = 10


class RefusedBody:
    """Middleware: the sentence for it, as a page, a piece of one, or JSON."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refusal = request.META.get(REFUSAL)
        limit = body_limit(request.path)
        if refusal is None or (refusal is Refusal.TOO_LARGE and limit is not ANYWHERE):  # those have a page for it
            return self.get_response(request)
        status, template = ANSWERS[refusal]
        return refused(request, status, _(template) % {"limit": limit.max_bytes / 1e6})


def refused(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    """A refusal in the form in which the request was made."""
    if request.path.startswith("/api/"):
        response: HttpResponse = JsonResponse({"detail": sentence}, status=status)
    elif request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        response = JsonResponse({"errors": [sentence]}, status=status)
    else:
        response = render(request, "refused.html", {"what": _("This was not taken"), "error": sentence}, status=status)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
