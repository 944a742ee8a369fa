"""What staff read who act on something that another has deleted meanwhile."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from webapp.refusals import plain_refusal


class Gone(MiddlewareMixin):
    """Middleware: a sentence where a view finds nothing to do to what a form was sent for."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        is_change = request.method == "POST" and request.user.is_staff
        return answer(request) if isinstance(error, Http404) and is_change else None


def answer(request: HttpRequest) -> HttpResponse:
    sentence = _("It was deleted meanwhile, or has another address now. Nothing was changed.")
    return plain_refusal(request, 404, _("This is not here any more"), sentence)
