"""The web process: `python -m webapp.server` listens on HOST and PORT.

One process with threads: on a CPU it answers as many pictures a second as several processes, in a third of the memory.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import sys
import tempfile
from types import FrameType
from typing import Any, NoReturn

from waitress.adjustments import Adjustments

from webapp.front.body_limits import IN_MEMORY_BYTES
from webapp.front.limits import HEADER_BYTES, MOST_CONNECTIONS, THREADS

loglevel = "warning"  # of a gunicorn that reads this; see on_starting()
FILES_BESIDE = 200  # descriptors for what is no connection
LOOK_AROUND_SECONDS = 1  # between looks at who is too slow

log = logging.getLogger(__name__)


def main() -> None:
    """Serve until SIGTERM or SIGINT; what is being answered then has five seconds to end."""
    from webapp.wsgi import application  # sets Django up, for those that follow

    # isort: split
    from django.conf import settings
    from waitress.server import MultiSocketServer
    from waitress.task import ThreadedTaskDispatcher

    from training.data import decoders
    from webapp.environment import chosen_address
    from webapp.front.connections import Front
    from webapp.front.permits import Permits

    tempfile.tempdir = str(settings.FILE_UPLOAD_TEMP_DIR)  # where bodies lie until they are whole
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # more requests than threads is nothing to report
    host, port = chosen_address()
    adjustments = adjusted(host, port)
    dispatcher, sockets, permits = ThreadedTaskDispatcher(), dict[int, Any](), Permits()
    dispatcher.set_thread_count(THREADS)
    fronts = []
    for address in adjustments.listen:
        try:
            front = Front(application, sockets, dispatcher=dispatcher, adj=adjustments, sockinfo=address)
        except OSError as error:
            sys.exit(f"Discern cannot listen on {host}:{port} ({error.strerror}). Free it, or set HOST and PORT.")
        front.permits, front.most_connections = permits, _most_connections()
        fronts.append(front)
    signal.signal(signal.SIGTERM, _end)
    decoders.prepare()
    _say_ready(host, port)
    effective = [(each.effective_host, each.effective_port) for each in fronts]
    MultiSocketServer(sockets, adjustments, effective, dispatcher, log.info).run()


def adjusted(host: str, port: str) -> Adjustments:
    """How waitress serves here."""
    hosts = ["0.0.0.0", "[::]"] if host == "[::]" else [host]  # noqa: S104  asked for
    return Adjustments(
        listen=" ".join(f"{each}:{port}" for each in hosts),
        ident=None,
        clear_untrusted_proxy_headers=False,
        max_request_header_size=HEADER_BYTES,
        max_request_body_size=sys.maxsize,  # webapp/front/body_limits.py has the limits
        inbuf_overflow=IN_MEMORY_BYTES,
        outbuf_high_watermark=sys.maxsize,  # no thread waits for who does not read: a long answer lies on the disk
        recv_bytes=65_536,
        connection_limit=sys.maxsize,  # past MOST_CONNECTIONS one makes room for the next
        cleanup_interval=LOOK_AROUND_SECONDS,
        log_socket_errors=False,  # clients go as they please
        asyncore_use_poll=True,
    )


def on_starting(_arbiter: object) -> NoReturn:
    """For units and scripts that start the site as before, with `gunicorn -c python:webapp.server webapp.wsgi`.

    gunicorn reads this module as its settings, calls this first, and is replaced in the same process.
    """
    os.execv(sys.executable, [sys.executable, "-m", "webapp.server"])  # noqa: S606


def _most_connections() -> int:
    """As many as there are file descriptors for: each connection may need a second one, for a long body."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS + FILES_BESIDE
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(MOST_CONNECTIONS, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - FILES_BESIDE) // 2))


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit


def _say_ready(host: str, port: str) -> None:
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "[::]") else host  # noqa: S104  compared, not bound
    address = f"http://{shown}:{port}/"
    if os.environ.get("LOG_FORMAT") == "json":
        log.info("Discern is ready at %s", address)
    else:
        print(f"\n  Discern is ready at {address}   (Ctrl-C ends it)\n", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
