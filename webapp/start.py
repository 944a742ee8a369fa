"""`python -m webapp.start`, what `make run` does: look whether all is well, prepare the site, start its processes.

This process holds DATA_DIR's lock and becomes honcho, so the lock is held for as long as the site runs.
"""

from __future__ import annotations

import logging
import os
import sys
from logging.config import dictConfig
from pathlib import Path

from django.core.management import execute_from_command_line
from django.db import Error as DatabaseTrouble
from environ import Env
from honcho.environ import parse

from webapp.environment import (
    BASE_DIR,
    OWNERS_ONLY,
    Environment,
    WrongStart,
    chosen_address,
    chosen_data_dir,
    chosen_database,
    sqlite_files,
)
from webapp.operations.embedded_redis import RedisRuns, check_none_runs
from webapp.operations.locks import AlreadyHeld, check_free, hold
from webapp.operations.logs import FORMATS, logging_config
from webapp.start_checks import check_clock, check_data_dir, check_port, site_lock

log = logging.getLogger("webapp.start")


def main(arguments: list[str]) -> None:
    """Start the site in this process's place.

    Args:
        arguments: options of `manage.py first_start`.
    Raises: WrongStart where it cannot run; nothing is started then. SystemExit from the first start.
    """
    os.chdir(BASE_DIR)
    os.umask(OWNERS_ONLY)
    os.environ.update(_variables_of(Path(".env")))  # honcho lets the processes have them
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    _log_in(os.environ.get("LOG_FORMAT") or "plain")
    take_lock()
    _warn_root()
    Environment.read()  # every other wrong value
    try:
        execute_from_command_line(["manage.py", "first_start", *arguments])
    except DatabaseTrouble as error:
        raise WrongStart(
            f"The database cannot be used ({str(error).strip()}); expected one that takes tables and rows. See to it, "
            "or correct DATABASE_URL, and start again."
        ) from error
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "honcho", "start"])  # noqa: S606  our own processes


def take_lock() -> int:
    """Look whether a site can run here, and take the lock of its DATA_DIR.

    Returns: the lock's descriptor, which must stay open. Raises: WrongStart before anything is written.
    """
    data_dir = chosen_data_dir()
    database = sqlite_files(chosen_database(Env(), data_dir))
    host, port = chosen_address()
    lock = site_lock(data_dir, database, os.environ.get("REDIS_URL", ""))
    check_data_dir(data_dir, database)
    check_clock(data_dir, database)
    try:
        check_free(lock)
        check_port(host, port)
        if not os.environ.get("REDIS_URL"):
            check_none_runs(data_dir)
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return hold(lock, address=f"http://{host}:{port}/")
    except AlreadyHeld as error:
        raise WrongStart(
            f"A site runs on {data_dir} already: {error}. It goes on, and this start has changed nothing. Use that "
            "one, end it first, or start another with a folder and a port of its own: "
            "DATA_DIR=/another/folder PORT=8001 make run"
        ) from error
    except RedisRuns as error:
        raise WrongStart(str(error)) from error


def _variables_of(file: Path) -> dict[str, str]:
    return parse(file.read_text()) if file.is_file() else {}


def _log_in(log_format: str) -> None:
    if log_format in FORMATS:  # a wrong one is named later, with the other values
        dictConfig(logging_config(log_format))


def _warn_root() -> None:
    if os.geteuid() == 0:
        log.warning("The site runs as root: a fault in it could change anything here. Give it a user of its own.")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except WrongStart as error:
        if os.environ.get("LOG_FORMAT") == "json":
            log.error("%s", error)
            sys.exit(1)
        sys.exit(str(error))
