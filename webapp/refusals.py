"""A refusal in the form in which the request was made, whoever refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse, JsonResponse


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
