"""Real sockets before a small application: what is slow, long or many, and what the others notice of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from waitress import wasyncore
from waitress.server import MultiSocketServer
from waitress.task import ThreadedTaskDispatcher

from tests.processes import wait_until
from webapp.front import connections
from webapp.front.body_limits import ANYWHERE, ARCHIVE, PICTURE
from webapp.front.connections import Front
from webapp.front.permits import Permits
from webapp.front.requests import REFUSAL, Refusal
from webapp.server import adjusted

UPLOAD = "/manage/digits/pictures/upload/"
THREADS = 2


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Says how many bytes of a body came, or why none did."""
    refusal = environ.get(REFUSAL)
    said = refusal.value if refusal else f"{len(environ['wsgi.input'].read())} bytes"
    body = said.encode() * (1_000_000 if environ["PATH_INFO"] == "/long/" else 1)
    start_response("413 Refused" if refusal else "200 OK", [("Content-Length", str(len(body)))])
    return [body]


class Known(Permits):
    """Staff are those who send the cookie `staff`; who sends `later` is known when the test says so."""

    def __init__(self) -> None:
        self.later: Future[Refusal | None] = Future()

    def ask(self, cookie_header: str) -> Future[Refusal | None]:
        if cookie_header == "later":
            return self.later
        answer: Future[Refusal | None] = Future()
        answer.set_result(None if cookie_header == "staff" else Refusal.NOT_STAFF)
        return answer


@pytest.fixture
def front() -> Iterator[Front]:
    adjustments = adjusted("127.0.0.1", "0")
    adjustments.cleanup_interval = 0
    dispatcher, sockets = ThreadedTaskDispatcher(), dict[int, Any]()
    dispatcher.set_thread_count(THREADS)
    front = Front(application, sockets, dispatcher=dispatcher, adj=adjustments, sockinfo=adjustments.listen[0])
    front.permits, front.most_connections = Known(), 100
    server = MultiSocketServer(sockets, adjustments, [], dispatcher)
    serving = threading.Thread(target=server.run)
    serving.start()
    yield front
    open_still = dict(sockets)
    sockets.clear()  # ends the loop
    front.pull_trigger()
    serving.join(10)
    assert not serving.is_alive()
    dispatcher.shutdown()
    for each in list(front.active_channels.values()):
        each.cut()
    wasyncore.close_all(open_still)


def connect(front: Front) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(front.effective_port)), timeout=20)


def header(path: str = "/", *, length: int | None = None, more: str = "") -> bytes:
    body = "" if length is None else f"Content-Length: {length}\r\n"
    return f"{'GET' if length is None else 'POST'} {path} HTTP/1.1\r\nHost: here\r\n{body}{more}\r\n".encode()


def answer(connection: socket.socket) -> bytes:
    """Everything until the other side ends."""
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def asked(front: Front, request: bytes) -> bytes:
    with connect(front) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return answer(connection)


def is_answered(front: Front) -> bool:
    return asked(front, header(more="Connection: close\r\n")).endswith(b"0 bytes")


def is_cut(connection: socket.socket) -> bool:
    connection.settimeout(10)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


BEGINNINGS = {
    "nothing": b"",
    "one byte": b"G",
    "half a header": header()[:-10],
    "half a body": header(length=1000) + b"x",
    "chunks": header(more="Transfer-Encoding: chunked\r\n").replace(b"GET", b"POST") + b"3\r\nabc\r\n",
    "unread answers": header("/long/") * 10,
}


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=BEGINNINGS)
def test_many_who_take_their_time_hold_up_nobody(front: Front, beginning: bytes) -> None:
    slow = [connect(front) for _ in range(10 * THREADS)]
    for each in slow:
        each.sendall(beginning)

    assert all(is_answered(front) for _ in range(5))
    for each in slow:
        each.close()


SLOW = {
    "IDLE_SECONDS": b"",
    "HEADER_SECONDS": BEGINNINGS["half a header"],
    "BODY_GRACE_SECONDS": BEGINNINGS["half a body"],
    "UNREAD_SECONDS": BEGINNINGS["unread answers"],
}


@pytest.mark.parametrize("limit", SLOW)
def test_who_is_too_slow_is_cut(front: Front, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    with connect(front) as quick, connect(front) as slow:
        slow.sendall(SLOW[limit])
        time.sleep(0.3)
        assert wait_until(lambda: len(front.active_channels) == 2)

        monkeypatch.setattr(connections, limit, 0.2)
        front.pull_trigger()

        if limit == "UNREAD_SECONDS":
            assert wait_until(lambda: len(front.active_channels) < 2)
        else:
            assert is_cut(slow)
        if limit != "IDLE_SECONDS":
            quick.sendall(header())
            assert quick.recv(100).startswith(b"HTTP/1.1 200")


def test_a_body_at_the_pace_of_a_slow_phone_arrives(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_GRACE_SECONDS", 0.5)
    with connect(front) as phone:
        phone.sendall(header(length=20_000, more="Connection: close\r\n"))
        for _ in range(20):  # 10 kB a second
            phone.sendall(b"x" * 1000)
            time.sleep(0.1)

        assert answer(phone).endswith(b"20000 bytes")


def test_where_there_are_too_many_the_one_waited_for_longest_makes_room(front: Front) -> None:
    front.most_connections = 5
    waiting = []
    for _ in range(8):
        waiting.append(connect(front))
        time.sleep(0.02)

    assert all(is_cut(each) for each in waiting[:3])
    waiting[-1].sendall(header())
    assert waiting[-1].recv(100).startswith(b"HTTP/1.1 200")
    for each in waiting:
        each.close()


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        *(("/", ANYWHERE), ("/unknown/", ANYWHERE), ("/login/", ANYWHERE)),
        *(("/r/digits/", PICTURE), ("/api/v1/recognizers/digits/classify", PICTURE), (UPLOAD, ARCHIVE)),
    ],
)
def test_a_body_is_received_up_to_the_limit_of_its_address(front: Front, path: str, limit: Any) -> None:
    assert asked(front, header(path, length=limit.max_bytes + 1)).endswith(b"too large")
    assert asked(front, header(path, length=10**10)).endswith(b"too large")
    if limit is not ARCHIVE:
        sent = header(path, length=limit.max_bytes, more="Connection: close\r\n") + b"x" * limit.max_bytes
        assert asked(front, sent).endswith(f"{limit.max_bytes} bytes".encode())


def test_a_refusal_reaches_a_client_that_is_still_sending(front: Front) -> None:
    with connect(front) as connection:
        connection.sendall(header(length=100_000_000))
        for _ in range(500):
            connection.sendall(b"x" * 100_000)

        assert connection.recv(1000).endswith(b"too large")
        connection.sendall(b"x" * 100_000)  # nobody cuts it off


def test_a_body_of_unknown_length_is_received_up_to_what_any_address_takes(front: Front) -> None:
    start = header("/r/digits/", more="Transfer-Encoding: chunked\r\nConnection: close\r\n").replace(b"GET", b"POST")
    chunk = b"186a0\r\n" + b"x" * 100_000 + b"\r\n"

    assert asked(front, start + 9 * chunk + b"0\r\n\r\n").endswith(b"900000 bytes")
    assert asked(front, start + 20 * chunk + b"0\r\n\r\n").endswith(b"no length")


@pytest.mark.parametrize("length", ["Content-Length: 300000", "Transfer-Encoding: chunked"])
def test_a_body_that_would_leave_too_little_room_is_refused_but_not_one_that_needs_no_disk(
    front: Front, length: str, settings: Any
) -> None:
    start = header("/r/digits/", more=f"{length}\r\nConnection: close\r\n").replace(b"GET", b"POST")
    body = b"x" * 300_000 if "Content" in length else 3 * (b"186a0\r\n" + b"x" * 100_000 + b"\r\n") + b"0\r\n\r\n"
    assert asked(front, start + body).endswith(b"300000 bytes")

    settings.MIN_FREE_DISK = 10**15

    assert asked(front, start + body).endswith(b"no room")
    assert asked(front, header(length=90_000, more="Connection: close\r\n") + b"x" * 90_000).endswith(b"90000 bytes")


def test_only_staff_sends_a_zip(front: Front) -> None:
    sent = header(UPLOAD, length=3_000_000, more="Cookie: {}\r\nConnection: close\r\n") + b"x" * 3_000_000

    assert asked(front, sent.replace(b"{}", b"staff")).endswith(b"3000000 bytes")
    assert asked(front, sent.replace(b"{}", b"nobody")).endswith(b"not staff")


def test_what_waits_for_a_permit_waits_alone(front: Front) -> None:
    with connect(front) as connection:
        connection.sendall(header(UPLOAD, length=3_000_000, more="Cookie: later\r\nConnection: close\r\n"))
        assert is_answered(front)

        front.permits.later.set_result(None)  # type: ignore[attr-defined]
        connection.sendall(b"x" * 3_000_000)

        assert answer(connection).endswith(b"3000000 bytes")


@pytest.mark.parametrize(("cookie", "said"), [("staff", b"100 Continue"), ("nobody", b"413 Refused")])
def test_who_asks_first_is_told_to_go_on_or_not(front: Front, cookie: str, said: bytes) -> None:
    with connect(front) as connection:
        connection.sendall(header(UPLOAD, length=3_000_000, more=f"Cookie: {cookie}\r\nExpect: 100-continue\r\n"))

        assert said in connection.recv(1000)
