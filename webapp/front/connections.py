"""The connections of the site's front: waitress, with limits of time and number, and a word for who is refused.

waitress receives requests whole in one thread and hands them to the threads of the application, so that a connection
which drips, or does not read its answer, costs the others nothing. Added here: a connection ends when it is too slow;
where there are too many, the one that has been waited for longest makes room; and one that is refused while it still
sends is read on for a while, because a socket closed over unread bytes makes the kernel throw the answer away.
"""

from __future__ import annotations

import contextlib
import socket
import time
from concurrent.futures import Future
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

from webapp.front.limits import (
    BODY_GRACE_SECONDS,
    HEADER_SECONDS,
    IDLE_SECONDS,
    LINGER_SECONDS,
    SLOWEST_BODY,
    UNREAD_SECONDS,
)
from webapp.front.permits import Permits
from webapp.front.requests import FrontRequest, Refusal


class FrontTask(WSGITask):
    """Lets the application see why a body was not received."""

    def get_environment(self) -> dict[str, Any]:
        environment: dict[str, Any] = super().get_environment()
        environment.update(self.request.environment())
        return environment


class Connection(HTTPChannel):
    """One connection; all but `decide` happens in the front's own thread, or in one that serves its request."""

    task_class = FrontTask
    parser_class = FrontRequest
    request: FrontRequest | None
    server: Front

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._since = time.monotonic()  # when the present request began, or the wait for it
        self._header_at: float | None = None
        self._was_broken_off = False  # the client may still be sending
        self._lingers_until: float | None = None
        super().__init__(*args, **kwargs)

    # --- receiving
    def readable(self) -> bool:
        if self._lingers_until is not None:
            return True
        awaits_permit = self.request is not None and self.request.is_staff_needed
        return bool(super().readable()) and not awaits_permit

    def received(self, data: bytes) -> bool:
        if self._lingers_until is not None:
            return True
        if self.request is None:
            self._since, self._header_at = time.monotonic(), None
        is_taken = bool(super().received(data))
        request = self.request or (self.requests[-1] if self.requests else None)
        if request is None:
            return is_taken
        self._was_broken_off |= request.is_broken_off
        if request.headers_finished and self._header_at is None:
            self._header_at = time.monotonic()
            if request.is_staff_needed:
                self.server.permits.ask(request.headers.get("COOKIE", "")).add_done_callback(self.decide)
        return is_taken

    def decide(self, answer: Future[Refusal | None]) -> None:
        """Go on with a large body, or refuse it; called from the thread that found out who sends it."""
        with self.requests_lock:
            request = self.request
            if request is None or not self.connected:
                return
            refusal = answer.result()
            if refusal is None:
                request.admit()
                self._header_at = time.monotonic()
                if request.expect_continue and not self.requests:
                    self.send_continue()
            else:
                request.refuse(refusal)
                self._was_broken_off = True
                self.requests.append(request)
                self.request = None
                if len(self.requests) == 1:
                    self.server.add_task(self)
        self.server.pull_trigger()

    # --- ending
    def handle_close(self) -> None:
        is_flushed = self.connected and not self.total_outbufs_len
        if self._was_broken_off and self._lingers_until is None and is_flushed:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                self._lingers_until = time.monotonic() + LINGER_SECONDS
                self.will_close = False
                return
        super().handle_close()

    def handle_read(self) -> None:
        super().handle_read()
        if self._lingers_until is not None and not self.connected:  # it has read its answer
            self.handle_close()

    @property
    def is_waited_for(self) -> bool:
        """Nothing is being answered here; it is the client's turn."""
        return len(self.requests) == 0

    @property
    def waiting_seconds(self) -> float:
        """How long the present request has been arriving, or waited for."""
        return time.monotonic() - self._since

    def is_too_slow(self) -> bool:
        """The client has had its time."""
        now, quiet = time.monotonic(), time.time() - float(self.last_activity)
        if self._lingers_until is not None:
            return now > self._lingers_until
        if self.requests:
            return False
        if self.total_outbufs_len:
            return quiet > UNREAD_SECONDS
        if self.request is None:
            return quiet > IDLE_SECONDS
        if self._header_at is None:
            return now - self._since > HEADER_SECONDS
        if self.request.is_staff_needed:
            return False
        seconds = now - self._header_at - BODY_GRACE_SECONDS
        return seconds > 0 and self.request.body_bytes_received < SLOWEST_BODY * seconds

    def cut(self) -> None:
        """End it now, without lingering, and whether or not the client takes what is left to send."""
        self._was_broken_off = False
        self.handle_close()


class Front(TcpWSGIServer):
    """One listening socket, with an eye on its connections."""

    channel_class = Connection
    active_channels: dict[int, Connection]
    permits: Permits
    most_connections: int

    def maintenance(self, now: float) -> None:
        for connection in list(self.active_channels.values()):
            if connection.is_too_slow():
                connection.cut()

    def handle_accept(self) -> None:
        super().handle_accept()
        if len(self.active_channels) > self.most_connections:
            waited_for = [each for each in self.active_channels.values() if each.is_waited_for]
            if waited_for:
                max(waited_for, key=lambda each: each.waiting_seconds).cut()
