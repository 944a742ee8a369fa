"""What goes with every answer beyond Django's own headers, and what of them a browser may keep."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag

Handler = Callable[[HttpRequest], HttpResponseBase]
NOT_KEPT = (
    "/manage/",
    "/admin/",
    "/login/",
    "/logout/",
    "/account/",
)  # pages for staff, and those that ask for passwords
KEPT_SECONDS = 600


class SameOrigin:
    """No other site may embed anything of this one. Their servers, and links to its pages, are not concerned."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response


class NotKept:
    """Nothing of what staff read stays in a browser or on the way to it, unless its view says for how long.

    It asks no database: who is signed in has a session's cookie, and nobody else has one.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        cookie = settings.SESSION_COOKIE_NAME
        is_private = request.path.startswith(NOT_KEPT) or cookie in request.COOKIES or cookie in response.cookies
        if is_private and not response.has_header("Cache-Control"):
            patch_cache_control(response, no_store=True, private=True)
        return response


def kept_privately(
    request: HttpRequest, etag: str, answer: Callable[[], HttpResponse | FileResponse]
) -> HttpResponseBase:
    """A picture whose bytes never change. For ten minutes the browser shows it again without asking, so that a grid of
    sixty is there at once; then it asks, and an empty answer says that nothing changed to who is still signed in.

    Args:
        etag: names the bytes.
        answer: makes the whole answer, where the browser has none.
    """
    known = get_conditional_response(request, etag=quote_etag(etag))
    response = answer() if known is None else known
    response.headers["ETag"] = quote_etag(etag)
    patch_cache_control(response, private=True, max_age=KEPT_SECONDS, must_revalidate=True)
    return response
