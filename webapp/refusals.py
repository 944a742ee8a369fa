"""A refusal in the form in which the request was made, whoever refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string


def refusal(
    request: HttpRequest,
    status: int,
    sentence: str,
    page: Callable[[], str],
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """{"detail"} for the API, {"errors"} for a page's own script (static/js/upload.js), else a page.

    Args:
        page: makes it, where one is wanted.
    """
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": sentence}, status=status, headers=headers)
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse({"errors": [sentence]}, status=status, headers=headers)
    return HttpResponse(page(), status=status, headers=headers)


def plain_refusal(
    request: HttpRequest, status: int, what: str, sentence: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """The same with the usual page: `what` is its heading."""

    def page() -> str:
        return render_to_string("refused.html", {"what": what, "error": sentence}, request)

    return refusal(request, status, sentence, page, headers)
