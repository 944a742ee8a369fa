"""What no browser and no honest program sends is refused at the door: 400, a sentence, one line in the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from django.core.exceptions import BadRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _

Handler = Callable[[HttpRequest], HttpResponseBase]


class Legible:
    """Refuses text that no database and no page could hold: null characters, and bytes that are not UTF-8."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        query = unquote_to_bytes(request.META.get("QUERY_STRING", ""))
        if not (getattr(request, "has_utf8_path", True) and is_utf8(query)):
            raise BadRequest("The address is not UTF-8")
        if b"\0" in query or any("\0" in each for each in (request.path, *request.COOKIES.values())):
            raise BadRequest("A null character in the address or a cookie")
        return self.get_response(request)


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class ApiErrors:
    """Whatever refuses a request to the API, it answers with {"detail": "sentence"}."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_page = isinstance(response, HttpResponse) and "json" not in response.get("Content-Type", "")
        if response.status_code < 400 or not is_page or not request.path.startswith("/api/"):
            return response
        kept = {name: value for name, value in response.items() if name not in ("Content-Type", "Content-Length")}
        refusal = JsonResponse({"detail": sentence_of(response.status_code)}, status=response.status_code, headers=kept)
        refusal.cookies = response.cookies
        if request.method == "HEAD":
            refusal.content = b""
        return refusal


def sentence_of(status: int) -> str:
    """What an HTTP status means to whoever reads it."""
    sentences = {
        403: _("This is not allowed."),
        404: _("There is nothing at this address."),
        405: _("This address does not take such a request. The page /api/v1/docs says what it takes."),
        413: _("The request is too large."),
    }
    if status >= 500:
        return _("Something went wrong on our side. Try again in a moment.")
    return sentences.get(status, _("The request is incomplete or malformed."))


class Request(WSGIRequest):
    """Fails once where Django's own would fail again in the very page that says so, and leave no answer at all."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.has_utf8_path = is_utf8(environ.get("PATH_INFO", "").encode("latin-1"))  # Django writes over it
        super().__init__(environ)

    def _load_post_and_files(self) -> None:
        """A form that cannot be read is empty from then on."""
        try:
            super()._load_post_and_files()
        except Exception:
            self._mark_post_parse_error()  # type: ignore[attr-defined]  # the stubs leave it out
            raise

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        """A content type that cannot be read is none."""
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except (LookupError, ValueError):  # RFC 2231 with an unknown charset, or with bytes that are not of it
            self.content_type, self.content_params = "", {}


class Application(WSGIHandler):
    request_class = Request
