"""Databases beside the test run's own, for whole sites and for installations that are opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg

IS_POSTGRES = os.environ.get("DATABASE_URL", "").startswith("postgres")


@contextmanager
def database_of_its_own(purpose: str) -> Iterator[str]:
    """The address of an empty one on the PostgreSQL that the tests run on; elsewhere "", for SQLite in a DATA_DIR."""
    if not IS_POSTGRES:
        yield ""
        return
    url, name = os.environ["DATABASE_URL"], f"discern_{purpose}_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
