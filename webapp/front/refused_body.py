"""What is answered to a request whose body was not received."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from training.disk import disk_full
from training.messages import N_
from webapp.front.body_limits import ANYWHERE, body_limit, bytes_on_disk
from webapp.front.requests import REFUSAL, Refusal
from webapp.refusals import plain_refusal

Handler = Callable[[HttpRequest], HttpResponse]
ANSWERS: dict[Refusal, tuple[int, str]] = {
    Refusal.TOO_LARGE: (413, N_("The request has more than the %(limit).1f MB that this address takes. Send less.")),
    Refusal.NO_LENGTH: (411, N_("The request does not say how long it is. Send it again with a Content-Length.")),
    Refusal.NOT_STAFF: (403, N_("Only staff may send so much. Sign in first, then send it again.")),
    Refusal.DATABASE_AWAY: (503, N_("The database is away or busy. Try again in a moment.")),
}
RETRY_SECONDS = 10


class RefusedBody:
    """Middleware: the sentence for it, as a page, a piece of one, or JSON."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        why = request.META.get(REFUSAL)
        return self.get_response(request) if why is None else self._answer(request, why)

    def _answer(self, request: HttpRequest, why: Refusal) -> HttpResponse:
        limit = body_limit(request.path)
        if why is Refusal.TOO_LARGE and limit is not ANYWHERE:  # those addresses have a page for it
            return self.get_response(request)
        if why is Refusal.NO_ROOM:
            needed = bytes_on_disk(int(request.headers.get("Content-Length") or 0))
            status, sentence = 507, str(disk_full(needed))
        else:
            status, template = ANSWERS[why]
            sentence = _(template) % {"limit": limit.max_bytes / 1e6}
        headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None
        return plain_refusal(request, status, _("This was not taken"), sentence, headers)
