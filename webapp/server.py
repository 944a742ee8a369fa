"""gunicorn's settings: `gunicorn -c python:webapp.server webapp.wsgi`.

One process with threads: on a CPU it answers as many pictures a second as several processes, in a third of the memory.
"""

from __future__ import annotations

import os
from typing import Any

bind = f"{os.environ.get('HOST') or '127.0.0.1'}:{os.environ.get('PORT') or '8000'}"
workers = 1
threads = 8
timeout = 120
graceful_timeout = 5
loglevel = "warning"


def post_worker_init(worker: Any) -> None:
    """The application is loaded."""
    host, port = bind.rsplit(":", 1)
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "[::]") else host  # noqa: S104  compared, not bound
    print(f"\n  Discern is ready at http://{shown}:{port}/   (Ctrl-C ends it)\n", flush=True)  # noqa: T201
