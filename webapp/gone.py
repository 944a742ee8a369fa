"""What staff read who act on something that another has deleted meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from webapp.refusals import refusal

Handler = Callable[[HttpRequest], HttpResponse]


class Gone:
    """Middleware: a sentence where a view finds nothing to do to what a form was sent for."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        is_change = request.method == "POST" and request.user.is_staff
        return answer(request) if isinstance(error, Http404) and is_change else None


def answer(request: HttpRequest) -> HttpResponse:
    sentence = _("It was deleted meanwhile, or has another address now. Nothing was changed.")

    def page() -> str:
        return render_to_string("refused.html", {"what": _("This is not here any more"), "error": sentence}, request)

    return refusal(request, 404, sentence, page)
