"""Loaded by every Python process that has this folder on its PYTHONPATH: notes what it looks up and connects to.

OUTWARD_LOG names the file, which gets one JSON object a line: the process's id and command line, the audit event, and
the name or the address.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

LOOK_UPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")
SENDING = ("socket.connect", "socket.sendto", "socket.sendmsg")  # each with its socket first

_file = os.open(os.environ["OUTWARD_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _note(event: str, target: object = None) -> None:
    noted = {"pid": os.getpid(), "command": " ".join(sys.orig_argv), "event": event, "target": target}
    os.write(_file, f"{json.dumps(noted, default=repr)}\n".encode())


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in LOOK_UPS:
        _note(event, arguments[0])
    elif event in SENDING:
        _note(event, arguments[1])


_note("started")
os.register_at_fork(after_in_child=lambda: _note("started"))
sys.addaudithook(_watch)
