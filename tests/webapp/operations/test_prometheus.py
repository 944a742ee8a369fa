from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from tests.types import PictureBytes
from tests.webapp.uploads import upload
from training.models import ModelVersion, Recognizer, TrainingRun, Worker
from webapp.front.body_limits import PICTURE

NOT_FROM_HERE = {"X-Forwarded-For": "203.0.113.9"}
CLASSIFY = "/api/v1/recognizers/shapes/classify"


@pytest.fixture
def read(client: Client) -> Any:
    """Reads one figure, 0 where nothing was counted yet."""

    def read(name: str, **labels: str) -> float:
        text = client.get("/metrics").content.decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(each.value for each in samples if each.name == name and each.labels == labels)

    return read


# --- from the database
def test_runs_are_counted_by_state(recognizer: Recognizer, read: Any) -> None:
    recognizer.runs.create(config={})

    assert read("discern_runs", state="queued") == 1
    assert read("discern_runs", state="training") == 0


def test_the_queue_is_as_old_as_its_oldest_run(recognizer: Recognizer, read: Any) -> None:
    for minutes in (1, 10):
        run = recognizer.runs.create(config={})
        TrainingRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(minutes=minutes))

    assert read("discern_queue_age_seconds") == pytest.approx(600, abs=30)


def test_a_run_that_was_cut_off_waits_since_its_last_heartbeat(recognizer: Recognizer, read: Any) -> None:
    run = recognizer.runs.create(config={}, heartbeat=timezone.now() - timedelta(minutes=2))
    TrainingRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(days=1))

    assert read("discern_queue_age_seconds") == pytest.approx(120, abs=30)


def test_where_nothing_waits_the_queue_has_no_age(db: None, read: Any) -> None:
    assert read("discern_queue_age_seconds") == 0


def test_only_living_workers_are_counted(db: None, read: Any) -> None:
    for name, seconds in (("train@here", 5), ("train@gone", 90)):
        seen_at = timezone.now() - timedelta(seconds=seconds)
        Worker.objects.create(name=name, num_cores=2, memory_bytes=1, started_at=seen_at, seen_at=seen_at)

    assert read("discern_workers") == 1


def test_imports_are_counted_by_state(recognizer: Recognizer, read: Any) -> None:
    recognizer.imports.create(name="birds.zip")

    assert read("discern_imports", state="queued") == 1
    assert read("discern_jobs", state="queued") == 0


def test_without_the_database_the_rest_is_still_told(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.operations.prometheus.workers", raises(OperationalError("gone")))

    text = client.get("/metrics").content.decode()

    assert "discern_database_up 0.0" in text
    assert "discern_answer_seconds_count" in text
    assert "discern_runs{" not in text


def raises(error: Exception) -> Any:
    def fail() -> None:
        raise error

    return fail


# --- from this process
def test_an_answer_is_counted_with_its_time(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes, read: Any
) -> None:
    labels = {"recognizer": "shapes", "source": "api"}
    before, timed = read("discern_answers_total", **labels), read("discern_answer_seconds_count")

    client.post(CLASSIFY, {"file": upload(picture_bytes())})

    assert read("discern_answers_total", **labels) == before + 1
    assert read("discern_answer_seconds_count") == timed + 1


@pytest.mark.parametrize(("address", "source"), [(CLASSIFY, "api"), ("/r/shapes/", "page")])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda: {"file": upload(b"hello")}, "UnreadablePicture"),
        (lambda: {"file": upload(b"x" * 10_000_001)}, "TooLarge"),
        (lambda: {"file": upload(b"x" * (PICTURE.max_bytes + 1))}, "TooLarge"),
        (lambda: {}, "NoPicture"),
    ],
)
def test_a_refusal_is_counted_by_its_reason(
    client: Client, version: ModelVersion, read: Any, address: str, source: Any, data: Any, reason: Any
) -> None:
    before = read("discern_refusals_total", reason=reason, source=source)

    client.post(address, data())

    assert read("discern_refusals_total", reason=reason, source=source) == before + 1


def test_an_unknown_recognizer_makes_no_series(client: Client, db: None) -> None:
    client.post(CLASSIFY.replace("shapes", "made-up"), {"file": upload(b"hello")})

    assert "made-up" not in client.get("/metrics").content.decode()


# --- who may read
def test_this_machine_may_read(client: Client, db: None) -> None:
    assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize("address", ["203.0.113.9", "10.0.0.1", "", "::ffff:10.0.0.1"])
def test_another_machine_may_not(client: Client, db: None, address: str) -> None:
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 403


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_a_proxy_on_this_machine_speaks_for_somebody_else(client: Client, db: None, name: str) -> None:
    assert client.get("/metrics", headers={name: "127.0.0.1"}).status_code == 403


def test_staff_may_read_from_anywhere(staff_client: Client) -> None:
    assert staff_client.get("/metrics", headers=NOT_FROM_HERE).status_code == 200


def test_the_token_lets_a_machine_read_from_anywhere(client: Client, db: None, settings: Any) -> None:
    settings.METRICS_TOKEN = "a long token"

    answer = client.get("/metrics", headers={**NOT_FROM_HERE, "Authorization": "Bearer a long token"})

    assert answer.status_code == 200


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer a long", "Bearer a long token!", "Basic a long token", "é"])
def test_once_a_token_is_set_this_machine_needs_it_too(client: Client, db: None, settings: Any, given: Any) -> None:
    settings.METRICS_TOKEN = "a long token"

    answer = client.get("/metrics", headers={"Authorization": given})

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
