"""What a person reads when the disk is full: a sentence and 507, in place of a bare 500."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from training.disk import disk_full, is_full
from webapp import middleware
from webapp.refusals import refusal

INSUFFICIENT_STORAGE = 507

log = logging.getLogger(__name__)


class FullDisk(MiddlewareMixin):
    """Middleware: answers where a view met a full disk. It stands below DatabaseAway, which would call it an outage."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return refused(request, error) if is_full(error) else None


def handle_500(request: HttpRequest) -> HttpResponse:
    """Django's handler500, for what other middleware meets: uploads come to the disk while CSRF looks for its token."""
    error = sys.exc_info()[1]
    return refused(request, error) if error and is_full(error) else middleware.handle_500(request)


def refused(request: HttpRequest, error: BaseException) -> HttpResponse:
    """The answer, made without a session or a row: these may have no room either."""
    _give_back_room(request)
    log.error("No room on the disk for %s %s: %s", request.method, request.path, error)
    sentence = str(disk_full())

    def page() -> str:
        template = "_fragment_alone.html" if "HX-Request" in request.headers else "507.html"
        return render_to_string(template, {"sentence": sentence, "title": _("The disk is full")})

    return refusal(request, INSUFFICIENT_STORAGE, sentence, page)


def _give_back_room(request: HttpRequest) -> None:
    """Remove what came of an upload before the disk was full; it would stay until Python collects its garbage."""
    for handler in request.upload_handlers:
        with suppress(OSError):  # there was no room for its last bytes
            file = getattr(handler, "file", None)
            if file is not None:
                file.close()
