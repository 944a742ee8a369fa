"""What goes wrong in the world, done to a running site."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.db import connection

from tests.faults.campaign import rounds
from tests.site import Site, send

FROZEN_SECONDS = rounds(8, 60)
LOCKED_SECONDS = 10
LOCKS_SQLITE = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
database.execute("BEGIN EXCLUSIVE")
time.sleep(float(sys.argv[2]))
database.execute("ROLLBACK")
"""

Fault = Callable[[Site], object]


def kill(role: str) -> Fault:
    return lambda site: site.kill(role)


def terminate(role: str) -> Fault:
    return lambda site: site.kill(role, signal.SIGTERM)


def kill_one_worker(site: Site) -> None:
    for pid in site.pids("worker")[:1]:  # none, where both were killed a moment ago
        send(pid, signal.SIGKILL)


def empty_redis(site: Site) -> None:
    """Redis is killed and comes back with nothing of what was queued."""
    stopped = site.pids("redis")
    site.kill("redis", signal.SIGSTOP)  # so that nothing is written any more
    shutil.rmtree(site.data_dir / "redis", ignore_errors=True)
    for pid in stopped:
        send(pid, signal.SIGKILL)


def freeze_redis(site: Site) -> None:
    site.kill("redis", signal.SIGSTOP)
    threading.Timer(FROZEN_SECONDS, site.kill, ("redis", signal.SIGCONT)).start()


def take_database_away(site: Site) -> None:
    """SQLite is locked for ten seconds; PostgreSQL is restarted, or where that is not ours to do, throws everybody out
    and lets nobody in for as long."""
    if connection.vendor == "sqlite":
        command = [sys.executable, "-c", LOCKS_SQLITE, str(connection.settings_dict["NAME"]), str(LOCKED_SECONDS)]
        threading.Thread(target=subprocess.run, args=(command,)).start()
    elif "FAULTS_POSTGRES" in os.environ:
        restart = os.environ["FAULTS_POSTGRES"].split()
        without_ours = {"PATH": os.environ["PATH"]}  # the new server must not look like one of the site's processes
        quiet = subprocess.DEVNULL
        subprocess.run(restart, check=True, stdout=quiet, stderr=quiet, cwd="/", env=without_ours)
    else:
        _throw_everybody_out()


def _throw_everybody_out() -> None:
    name = connection.settings_dict["NAME"]
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/postgres"))
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        time.sleep(LOCKED_SECONDS / 2)
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


FAULTS: dict[str, Fault] = {
    "kill -9 of a worker": kill_one_worker,
    "kill -9 of both workers": kill("worker"),
    "kill -9 of the trainers": kill("trainer"),
    "kill -9 of the web server": kill("web"),
    "kill -9 of the clock with its beat": kill("clock"),
    "SIGTERM to the workers": terminate("worker"),
    "SIGTERM to the trainers": terminate("trainer"),
    "SIGTERM to the clock": terminate("clock"),
    "Redis killed": kill("redis"),
    "Redis killed and restarted empty": empty_redis,
    "Redis frozen": freeze_redis,
    "the database taken away": take_database_away,
}
