"""gunicorn's settings: `gunicorn -c python:webapp.server webapp.wsgi`.

One process with threads: on a CPU it answers as many pictures a second as several processes, in a third of the memory.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from webapp.operations.logs import logging_config

bind = f"{os.environ.get('HOST') or '127.0.0.1'}:{os.environ.get('PORT') or '8000'}"
workers = 1
threads = 12  # webapp/middleware.py keeps some of them free of whoever waits for the database
timeout = 120
graceful_timeout = 5
loglevel = "warning"
is_json = os.environ.get("LOG_FORMAT") == "json"
if is_json:
    logconfig_dict = logging_config("json")


def post_worker_init(worker: Any) -> None:
    """The application is loaded."""
    host, port = bind.rsplit(":", 1)
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "[::]") else host  # noqa: S104  compared, not bound
    address = f"http://{shown}:{port}/"
    if is_json:
        logging.getLogger(__name__).info("Discern is ready at %s", address)
    else:
        print(f"\n  Discern is ready at {address}   (Ctrl-C ends it)\n", flush=True)  # noqa: T201
