"""A request as it arrives: its body is received only as far as its address takes it."""

from __future__ import annotations

import enum
from typing import Any

from waitress.parser import HTTPRequestParser

from training.disk import has_no_room, shortage
from webapp.front.body_limits import ANYWHERE, IN_MEMORY_BYTES, body_limit, bytes_on_disk

REFUSAL = "discern.refusal"  # the key of a request's WSGI environment that says why its body was not received


class Refusal(enum.Enum):
    """Why a body was not received; webapp/front/refused_body.py has the answers."""

    TOO_LARGE = "too large"
    NO_LENGTH = "no length"  # sent in chunks, and longer than what is received without knowing its length
    NOT_STAFF = "not staff"  # only staff may send so much
    DATABASE_AWAY = "database away"  # so nobody knows whether it is staff
    NO_ROOM = "no room"  # on the disk


class FrontRequest(HTTPRequestParser):
    """Reads one request. What is refused goes on to the application without its body, which says so to its sender."""

    refusal: Refusal | None = None
    is_staff_needed = False  # the body waits until somebody has found out whether staff sends it
    _wants_continue = False

    def received(self, data: bytes) -> int:
        """Take in bytes. Returns: how many of them belong to this request."""
        was_in_header = not self.headers_finished
        try:
            taken = int(super().received(data))
        except OSError as error:
            if not has_no_room(error):
                raise
            self.refuse(Refusal.NO_ROOM)
            return len(data)
        if self.error is None and self.headers_finished:
            if was_in_header:
                self._look_at_header()
            elif self.chunked and self.body_bytes_received > ANYWHERE.max_bytes:
                self.refuse(Refusal.NO_LENGTH)
            elif self.body_bytes_received > IN_MEMORY_BYTES and shortage():  # others have filled the disk meanwhile
                self.refuse(Refusal.NO_ROOM)
        return taken if self.refusal is None else len(data)  # what follows a refusal is the rest of its body

    @property
    def is_broken_off(self) -> bool:
        """It was answered before all of it was received."""
        return self.refusal is not None or self.error is not None

    def admit(self) -> None:
        """The body may come: staff sends it."""
        self.is_staff_needed = False
        self.expect_continue = self._wants_continue

    def refuse(self, why: Refusal) -> None:
        """Answer at once; of the body nothing more is kept, and the connection ends after the answer."""
        self.refusal = why
        self.is_staff_needed = False
        self.expect_continue = False
        self.completed = True
        self.headers["CONNECTION"] = "close"
        self.close()
        self.body_rcv = None

    def _look_at_header(self) -> None:
        limit = body_limit(self.path)
        if self.content_length > limit.max_bytes:
            self.refuse(Refusal.TOO_LARGE)
        elif self.content_length > IN_MEMORY_BYTES and shortage(bytes_on_disk(self.content_length)):
            self.refuse(Refusal.NO_ROOM)
        elif limit.is_for_staff and self.content_length > ANYWHERE.max_bytes:
            self.is_staff_needed = True
            self._wants_continue, self.expect_continue = self.expect_continue, False

    def environment(self) -> dict[str, Any]:
        """What the application is told beside the usual."""
        return {REFUSAL: self.refusal} if self.refusal else {}
