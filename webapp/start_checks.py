"""What would stop a site half way, looked at before anything of it is written or started.

Each check raises WrongStart: what came, what was expected, what to do.
"""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from webapp.environment import WrongStart

RELEASED = datetime(2026, 11, 1, tzinfo=UTC)  # no start can be earlier; set anew with each release
LONGEST_LIFE = timedelta(days=20 * 365)  # of a release
CLOCK_SLACK = timedelta(days=1)
MIN_FREE_BYTES = 64_000_000  # tables, queue and the starter recognizer take about half of it
KEPT = ("secret_key", "running.lock", "redis.lock", "files", "redis", "static", "tmp")  # what a site has in DATA_DIR
HOW_TO_MOVE = "DATA_DIR=/another/folder make run"


def site_lock(data_dir: Path, database: list[Path], redis_url: str) -> Path:
    """The file of the lock that the one site of a DATA_DIR holds.

    Where database and queue are servers, hosts that share the folder may each run a part of one site.
    """
    is_one_of_several = bool(redis_url) and not database
    return data_dir / (f"running-{socket.gethostname()}.lock" if is_one_of_several else "running.lock")


def check_port(host: str, port: str) -> None:
    """Whether the site can listen there; nothing listens when this returns. Raises: WrongStart."""
    number = _port_number(port)
    try:
        bare = host.strip("[]")  # as IPv6 stands in an address of the web
        family, kind, protocol, _, address = socket.getaddrinfo(bare, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does; a listener still refuses
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        raise WrongStart(_why_not_there(host, number, error)) from error


def _port_number(port: str) -> int:
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise WrongStart(f"PORT is {port!r}; expected a number from 1 to 65535. Correct it: PORT=8001 make run")
    return int(port)


def _why_not_there(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"PORT is {port}, where another program listens on {host} already; expected a free one. End that program, "
            f"or take another port: PORT={port + 1 if port < 65535 else 8001} make run"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"PORT is {port}, which {_name(os.geteuid())} may not listen on; expected a port from 1024. Take one, with "
            "a proxy in front where visitors need this number: PORT=8000 make run"
        )
    return (
        f"HOST is {host!r}, which is no address of this machine ({error.strerror}); expected one, such as 127.0.0.1 "
        "for this machine alone or 0.0.0.0 for all. Correct it: HOST=127.0.0.1 make run"
    )


def check_clock(data_dir: Path, database: list[Path], now: datetime | None = None) -> None:
    """Whether the clock can be right: not before this release, and not long before what was written here.

    A wrong one breaks sessions, leases and what is kept for a while.

    Args:
        database: files of the database, where these are SQLite's.
    """
    now = now or datetime.now(UTC)
    if not RELEASED - CLOCK_SLACK < now < RELEASED + LONGEST_LIFE:
        raise WrongStart(
            f"The clock says {_moment(now)}, but this release was made on {RELEASED:%Y-%m-%d}; expected the present "
            "day. Set the clock (timedatectl set-ntp true) and start again."
        )
    for path in [*(data_dir / name for name in KEPT), *database]:
        written = _written(path)
        if written and written - now > CLOCK_SLACK:
            raise WrongStart(
                f"The clock says {_moment(now)}, but {path} was written on {_moment(written)}; expected a later day. "
                f"Set the clock (timedatectl set-ntp true). Where it is right and was wrong then: touch {path}"
            )


def _written(path: Path) -> datetime | None:
    with suppress(OSError, OverflowError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return None


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def check_data_dir(data_dir: Path, database: list[Path]) -> None:
    """Whether the site can keep its files there; the folder itself need not exist. Raises: WrongStart."""
    folder = _nearest(data_dir)
    if not folder.is_dir():
        raise WrongStart(f"DATA_DIR is {str(data_dir)!r}, but {folder} is no folder; expected one. {HOW_TO_MOVE}")
    _check_room(data_dir, folder)
    owner = _try_to_write(data_dir, folder)
    for path in _kept(data_dir, database):
        _check_ours(path, owner)


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _check_room(data_dir: Path, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise WrongStart(
            f"DATA_DIR is {str(data_dir)!r}, on a disk with {free / 1e6:.0f} MB left; expected at least "
            f"{MIN_FREE_BYTES / 1e6:.0f} MB. Make room, or choose another disk: {HOW_TO_MOVE}"
        )


def _try_to_write(data_dir: Path, folder: Path) -> int:
    """Write a small file and take it away. Returns: the user it belonged to, who need not be this process's."""
    probe = folder / f".start-{os.getpid()}"
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, bytes(4096))
            os.fsync(descriptor)
            return os.fstat(descriptor).st_uid
        finally:
            os.close(descriptor)
            probe.unlink()
    except OSError as error:
        me = _name(os.geteuid())
        raise WrongStart(
            f"DATA_DIR is {str(data_dir)!r}, but {me} cannot write to {folder} ({error.strerror}; it belongs to "
            f"{_name(folder.stat().st_uid)}); expected a folder of {me}'s own on a disk that can be written to. Start "
            f"as its owner, give it to {me} with chown -R, or choose another: {HOW_TO_MOVE}"
        ) from error


def _kept(data_dir: Path, database: list[Path]) -> Iterator[Path]:
    for path in [*(data_dir / name for name in KEPT), *database]:
        if path.exists():
            yield path


def _check_ours(path: Path, owner: int) -> None:
    """What two users wrote, neither can go on with: one start as root leaves files that root alone may change."""
    theirs = path.stat().st_uid
    if theirs != owner:
        raise WrongStart(
            f"{path} belongs to {_name(theirs)}, but this start is by {_name(owner)}; expected one user for all of "
            f"DATA_DIR. Start as {_name(theirs)}, or give everything to {_name(owner)}: chown -R {owner} {path.parent}"
        )
    if not os.access(path, os.W_OK):
        raise WrongStart(
            f"{path} cannot be written to by {_name(owner)}; expected what its owner may change. Let it be changed: "
            f"chmod -R u+rwX {path}"
        )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
