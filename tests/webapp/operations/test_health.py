from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client

from classifier.engine import engine
from tests.webapp.operations.test_embedded_redis import running
from training.models import ModelVersion
from webapp.operations import readiness
from webapp.operations.embedded_redis import socket_url

NOT_FROM_HERE = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(autouse=True)
def _nothing_looked_at() -> None:
    readiness.answered_at.clear()
    for check in readiness.checks.values():
        check.forget()


@pytest.fixture
def _redis(tmp_path: Path, settings: Any) -> Iterator[None]:
    with running(tmp_path):
        settings.REDIS_URL = socket_url(tmp_path)
        yield


@pytest.fixture
def _no_redis(tmp_path: Path, settings: Any) -> None:
    settings.REDIS_URL = socket_url(tmp_path)


def status(client: Client, name: str, **options: Any) -> dict[str, Any]:
    return client.get("/readyz", **options).json()["checks"][name]


# --- the process
def test_health_answers_without_a_query(client: Client, db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/metrics"])
def test_health_only_reads(client: Client, address: str) -> None:
    assert client.post(address).status_code == 405


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.usefixtures("_no_redis")
def test_with_https_it_is_still_asked_from_inside(
    transactional_db: None, client: Client, settings: Any, address: str
) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert client.get(address).status_code == 200


# --- what it stands on
@pytest.mark.usefixtures("_redis")
def test_all_that_works_is_ready(transactional_db: None, client: Client, version: ModelVersion) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ready"
    assert {name: each["status"] for name, each in answer.json()["checks"].items()} == dict.fromkeys(
        ("database", "storage", "versions", "disk", "redis"), "ok"
    )


@pytest.mark.usefixtures("_no_redis")
def test_looking_leaves_nothing_behind(transactional_db: None, client: Client, settings: Any) -> None:
    client.get("/readyz")

    assert not Session.objects.exists()
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("_no_redis")
def test_without_redis_it_is_degraded_and_answers_200(transactional_db: None, client: Client) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["redis"]["status"] == "degraded"


@pytest.mark.usefixtures("_no_redis")
def test_a_version_that_will_not_open_is_named(transactional_db: None, client: Client, version: ModelVersion) -> None:
    version.files.serving_model[0].unlink()

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (503, "failed")
    assert "shapes version 1" in answer.json()["checks"]["versions"]["error"]


@pytest.mark.usefixtures("_no_redis")
def test_a_store_that_cannot_be_written_fails(
    transactional_db: None, client: Client, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings.MEDIA_ROOT = tmp_path / "file"

    assert status(client, "storage")["status"] == "failed"


@pytest.fixture
def lock(transactional_db: None) -> Iterator[BaseDatabaseWrapper]:
    """Another connection, in whose transaction the database is locked against writing."""
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN EXCLUSIVE" if other.vendor == "sqlite" else "BEGIN")
        if other.vendor == "postgresql":
            cursor.execute("LOCK TABLE django_session IN EXCLUSIVE MODE")
    yield other
    other.close()


@pytest.mark.usefixtures("_no_redis")
def test_a_locked_database_fails_in_time_and_is_well_afterwards(
    client: Client, lock: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.3)

    started = time.monotonic()
    locked = status(client, "database")
    waited = time.monotonic() - started
    lock.close()
    monkeypatch.undo()

    assert waited < 10  # the database itself would wait twice as long
    assert (locked["status"], locked["error"]) == ("failed", "no answer for 0 s")
    assert status(client, "database")["status"] == "ok"


@pytest.mark.usefixtures("_no_redis")
def test_a_stranger_reads_no_reasons(transactional_db: None, client: Client, version: ModelVersion) -> None:
    version.files.serving_model[0].unlink()

    assert status(client, "versions", headers=NOT_FROM_HERE) == {"status": "failed"}


@pytest.mark.usefixtures("_no_redis")
def test_staff_read_reasons_from_anywhere(transactional_db: None, staff_client: Client) -> None:
    assert "Error" in status(staff_client, "redis", headers=NOT_FROM_HERE)["error"]


# --- what looking costs
def test_probes_at_once_look_once() -> None:
    looks: list[None] = []
    check = readiness.Check(lambda: looks.append(time.sleep(0.2)), fresh_seconds=60)
    probes = [threading.Thread(target=lambda: (check.start(), check.result())) for _ in range(10)]

    for probe in probes:
        probe.start()
    for probe in probes:
        probe.join()

    assert len(looks) == 1


def test_who_finds_a_check_hanging_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 1)
    release = threading.Event()
    check = readiness.Check(lambda: [release.wait()].clear(), fresh_seconds=0)
    check.start()
    first = check.result()

    started = time.monotonic()
    check.start()
    second = check.result()
    waited = time.monotonic() - started
    release.set()

    assert (first.status, second.status) == ("failed", "failed")
    assert waited < 0.5


@pytest.mark.usefixtures("_no_redis")
def test_a_version_that_answered_is_not_asked_again_for_a_while(
    transactional_db: None, client: Client, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get("/readyz")
    monkeypatch.setattr(engine, "check", lambda recognizer: pytest.fail("asked again"))
    readiness.checks["versions"].forget()

    assert status(client, "versions")["status"] == "ok"
