"""Every setting that comes from the environment, read and checked in this one place.

Raises ImproperlyConfigured naming the variable, what it holds and what it may hold.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured
from limits import RateLimitItem, parse

import webapp.front.limits  # noqa: F401  they are known once they are read
from training.limits import KNOWN
from webapp.operations.logs import FORMATS

T = TypeVar("T")
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
Rates = tuple[RateLimitItem, ...]
BASE_DIR = Path(__file__).resolve().parent.parent
OWNERS_ONLY = 0o077  # the umask of every process: what is kept here is nobody else's to read
SECRETS = ("secret_key", "files", "imports", "redis", "static", "tmp")  # made readable for others by earlier releases
ENGINES = ("openvino", "keras")
UNIX_SOCKET = "unix"  # among TRUSTED_PROXIES: whoever comes through a Unix socket, which has no address
UNITS = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
PERIODS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
# libpq's: a PostgreSQL whose machine was switched off is given up after 15 s; TCP itself would wait for a quarter hour.
GONE_WITHOUT_A_WORD = {
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}


class WrongStart(ImproperlyConfigured):
    """The installation cannot be started as it was asked for: what came, what was expected, what to do."""


@dataclass(frozen=True)
class Environment:
    """What the installation was told; README.md has the table for its owner."""

    data_dir: Path
    secret_key: str
    debug: bool
    https: bool
    allowed_hosts: list[str]
    trusted_origins: list[str]
    trusted_proxies: Networks
    trusts_unix_socket: bool
    rate_answers: Rates  # each of them: empty for none
    rate_uploads: Rates
    rate_logins: Rates
    database: dict[str, Any]
    redis_url: str  # empty: the embedded server
    storage_url: str  # empty: files below data_dir
    engine: str
    log_format: str
    metrics_token: str  # empty: only this machine and staff read the metrics
    keep_predictions_days: int  # 0: for ever
    min_free_disk: int | None  # bytes; None: training/disk.py says how much, 0: the disk may be filled
    time_zone: str

    @classmethod
    def read(cls) -> Environment:
        env = environ.Env()
        os.umask(OWNERS_ONLY)
        _check_limits()
        data_dir = chosen_data_dir()
        _make_folder(data_dir)
        database = chosen_database(env, data_dir)
        _keep_private(data_dir, *(data_dir / name for name in SECRETS), *sqlite_files(database))
        return cls(
            data_dir=data_dir,
            secret_key=_secret_key(env.str("SECRET_KEY", default=""), data_dir),
            debug=_checked("DEBUG", lambda: env.bool("DEBUG", default=False), "true or false"),
            https=_checked("HTTPS", lambda: env.bool("HTTPS", default=False), "true or false"),
            allowed_hosts=env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"]),
            trusted_origins=_origins(env.list("TRUSTED_ORIGINS", default=[])),
            trusted_proxies=_networks("TRUSTED_PROXIES", env.str("TRUSTED_PROXIES", default="")),
            trusts_unix_socket=UNIX_SOCKET in _listed(env.str("TRUSTED_PROXIES", default="")),
            rate_answers=_rates("RATE_ANSWERS", env.str("RATE_ANSWERS", default="2400/m")),
            rate_uploads=_rates("RATE_UPLOADS", env.str("RATE_UPLOADS", default="60/m")),
            rate_logins=_rates("RATE_LOGINS", env.str("RATE_LOGINS", default="20/15m")),
            database=database,
            redis_url=_url("REDIS_URL", env.str("REDIS_URL", default=""), ("redis", "rediss", "unix")),
            storage_url=_url("STORAGE_URL", env.str("STORAGE_URL", default=""), ("s3",)),
            engine=_one_of("ENGINE", env.str("ENGINE", default="openvino"), ENGINES),
            log_format=_one_of("LOG_FORMAT", env.str("LOG_FORMAT", default="plain"), FORMATS),
            metrics_token=env.str("METRICS_TOKEN", default=""),
            keep_predictions_days=_days("KEEP_PREDICTIONS_DAYS", env.str("KEEP_PREDICTIONS_DAYS", default="0")),
            min_free_disk=_num_bytes("MIN_FREE_DISK", os.environ.get("MIN_FREE_DISK")),
            time_zone=_time_zone(env.str("TIME_ZONE", default="UTC")),
        )


def chosen_data_dir() -> Path:
    """DATA_DIR, or the folder that is taken where none is named; it need not exist."""
    return Path(os.environ.get("DATA_DIR") or BASE_DIR / "var").resolve()


def chosen_address() -> tuple[str, str]:
    """HOST and PORT, where the site listens."""
    return os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000"


def sqlite_files(database: dict[str, Any]) -> list[Path]:
    """The files of an SQLite database that may be there; none for a server's."""
    if not database["ENGINE"].endswith("sqlite3"):
        return []
    return [Path(f"{database['NAME']}{end}") for end in ("", "-wal", "-shm")]


def s3_options(storage_url: str) -> dict[str, Any]:
    """Options for django-storages from `s3://bucket/folder?endpoint=https://…&region=…`.

    The keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the machine's role, as boto3 reads them.
    """
    address = urlsplit(storage_url)
    query = {name: values[-1] for name, values in parse_qs(address.query).items()}
    return {
        "bucket_name": address.netloc,
        "location": address.path.strip("/"),
        "endpoint_url": query.get("endpoint"),
        "region_name": query.get("region"),
        "file_overwrite": True,  # names are hashes or unique to a run
        "querystring_auth": True,
    }


def _check_limits() -> None:
    for limit in KNOWN:
        if limit.is_wrong:
            raise _wrong(limit.variable, os.environ[limit.variable], limit.expected)


def _wrong(name: str, value: object, expected: str) -> WrongStart:
    return WrongStart(f"{name} is {str(value)!r}; expected {expected}. Correct it and start again.")


def _checked(name: str, read: Callable[[], T], expected: str) -> T:
    value = os.environ.get(name, "")
    known = ("true", "on", "ok", "y", "yes", "1", "false", "off", "n", "no", "0", "")
    if value.lower() not in known:
        raise _wrong(name, value, expected)
    return read()


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise _wrong(name, value, " or ".join(known))
    return value


def _days(name: str, value: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", value):
        raise _wrong(name, value, "a whole number of days up to 99999, 0 for ever")
    return int(value)


def _num_bytes(name: str, value: str | None) -> int | None:
    """`500 MB`; None where it is not set, 0 where it is empty."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?(kB|MB|GB|TB|)", value.strip() or "0")
    if not found:
        raise _wrong(name, value, "bytes with a unit, such as 500 MB or 2.5 GB, 0 for none")
    return int(float(found[1]) * UNITS[found[2]])


def _url(name: str, value: str, schemes: tuple[str, ...]) -> str:
    if not value:
        return ""
    try:
        address = urlsplit(value)
        _ = address.port
    except ValueError as error:
        raise _wrong(name, value, f"an address that starts with {schemes[0]}://") from error
    if address.scheme not in schemes or not (address.netloc or address.path.strip("/")):
        raise _wrong(name, value, f"an address that starts with {' or '.join(f'{each}://' for each in schemes)}")
    return value


def _listed(value: str) -> list[str]:
    return [each.strip() for each in value.split(",") if each.strip()]


def _networks(name: str, value: str) -> Networks:
    """Addresses and networks, but for the word that stands for a Unix socket."""
    expected = "addresses or networks with commas, such as 127.0.0.1,10.0.0.0/8,::1, or unix for a Unix socket"
    networks = []
    for each in _listed(value):
        if each == UNIX_SOCKET:
            continue
        try:
            network = ipaddress.ip_network(each.strip("[]"))
        except ValueError as error:
            raise _wrong(name, value, f"{expected}; {each!r} is none") from error
        if not network.prefixlen:
            raise _wrong(name, value, f"{expected}; {each} is everybody, and then nobody's address could be believed")
        networks.append(network)
    return tuple(networks)


def _rates(name: str, value: str) -> Rates:
    """`600/m`, `20/15m`, or several with commas, the shortest period first."""
    expected = "so many in a time, such as 600/m (s, m, h and d, also 20/15m), several with commas, empty for no limit"
    rates = []
    for each in _listed(value):
        found = re.fullmatch(r"([0-9]{1,9}) ?/ ?([0-9]{0,5}) ?([smhd])", each)
        if not found or 0 in (int(found[1]), int(found[2] or 1)):
            raise _wrong(name, value, expected)
        rates.append(parse(f"{found[1]}/{found[2] or 1} {PERIODS[found[3]]}"))
    return tuple(sorted(rates, key=lambda rate: rate.get_expiry()))


def chosen_database(env: environ.Env, data_dir: Path) -> dict[str, Any]:
    """PostgreSQL from DATABASE_URL, else SQLite for several processes: write-ahead log, immediate transactions."""
    url = _url("DATABASE_URL", env.str("DATABASE_URL", default=""), ("postgres", "postgresql", "sqlite"))
    if url and not url.startswith("sqlite"):
        return {
            **env.db_url("DATABASE_URL"),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {"connect_timeout": 5, **GONE_WITHOUT_A_WORD},
        }
    name = urlsplit(url).path.removeprefix("/") if url else str(data_dir / "discern.sqlite3")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def _secret_key(given: str, data_dir: Path) -> str:
    """The given key, or a random one made at the first start and kept in data_dir."""
    if given:
        return given
    path = data_dir / "secret_key"
    if not path.exists():
        draft = data_dir / f".secret_key-{os.getpid()}"
        try:
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(60))
            with contextlib.suppress(FileExistsError):  # of two first starts, one wins and both read its key
                os.link(draft, path)
        except OSError as error:
            raise _wrong("DATA_DIR", data_dir, f"a folder that a key can be written to ({error.strerror})") from error
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text()


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _wrong("DATA_DIR", path, f"a folder that can be written to ({error.strerror})") from error
    if not os.access(path, os.W_OK):
        raise _wrong("DATA_DIR", path, "a folder that can be written to")


def _keep_private(*paths: Path) -> None:
    """Take from group and others what earlier releases let them read.

    What is below a folder is out of their reach with it. A folder that is everybody's, such as /tmp, is left as it is.
    """
    for path in paths:
        with contextlib.suppress(OSError):  # it is not there, or not ours to change
            mode = path.stat().st_mode
            if mode & OWNERS_ONLY and not mode & stat.S_ISVTX:
                path.chmod(stat.S_IMODE(mode) & ~OWNERS_ONLY)


def _origins(origins: list[str]) -> list[str]:
    for origin in origins:
        _url("TRUSTED_ORIGINS", origin, ("https", "http"))
    return origins


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise _wrong("TIME_ZONE", name, "a name such as Asia/Shanghai") from error
    return name
