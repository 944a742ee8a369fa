"""The database away: what a visitor reads. tests/faults and docs/reliability.md have a real one going away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError, connection
from django.db.utils import InterfaceError
from django.test import Client

from webapp import middleware
from webapp.middleware import Room

ERRORS = [OperationalError("the server closed the connection"), InterfaceError("connection already closed")]


def away(*args: object, **kwargs: object) -> None:
    raise ERRORS[0]


@pytest.fixture(autouse=True)
def _as_a_browser_sees_it(client: Client) -> None:
    client.raise_request_exception = False


@pytest.fixture(params=ERRORS, ids=lambda error: type(error).__name__)
def _no_database(request: pytest.FixtureRequest, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def refuse(*args: object) -> None:
        raise request.param

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.usefixtures("_no_database")
def test_a_page_says_in_both_languages_to_come_again(client: Client) -> None:
    answer = client.get("/")

    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert "Back in a moment" in answer.content.decode()
    assert "请稍候" in answer.content.decode()


@pytest.mark.usefixtures("_no_database")
@pytest.mark.parametrize("address", ["/", "/manage/", "/admin/", "/nothing", "/r/shapes/"])
def test_who_is_signed_in_reads_the_same(client: Client, address: str) -> None:
    client.cookies["sessionid"] = "a" * 32

    assert client.get(address).status_code == 503


@pytest.mark.usefixtures("_no_database")
def test_the_api_says_so_in_json(client: Client) -> None:
    answer = client.get("/api/v1/recognizers")

    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert "database" in answer.json()["detail"]


@pytest.mark.usefixtures("_no_database")
@pytest.mark.parametrize("address", ["/healthz", "/static/css/site.css", "/login/"])
def test_what_needs_no_database_goes_on(client: Client, address: str) -> None:
    answer = client.get(address)
    answer.close()

    assert answer.status_code == 200


@pytest.mark.usefixtures("_counting")
def test_a_session_that_cannot_be_saved_is_503_too(
    client: Client, staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is saved in a middleware, whose errors no other middleware sees."""
    monkeypatch.setattr(SessionStore, "save", away)

    answer = client.post("/login/", {"username": "staff", "password": "a long password"})

    assert answer.status_code == 503


def test_an_error_of_ours_stays_500(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.models.Recognizer.objects.open_to_visitors", lambda: 1 / 0)

    answer = client.get("/")

    assert answer.status_code == 500
    assert "Something broke" in answer.content.decode()


# --- threads are kept free
@pytest.fixture
def _full(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """As many changes wait for the database as may."""
    room = Room(1)
    monkeypatch.setattr(middleware, "changes", room)
    monkeypatch.setattr(middleware, "STUCK_SECONDS", 0.05)
    with room:
        yield


@pytest.mark.usefixtures("_full")
def test_when_as_many_wait_as_may_the_next_change_is_turned_away(client: Client, db: None) -> None:
    answer = client.post("/api/v1/recognizers/shapes/classify")

    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert "More has come at once" in answer.json()["detail"]
    assert "More has come at once" in client.post("/language/").text


@pytest.mark.usefixtures("_full")
def test_who_only_reads_is_answered_meanwhile(client: Client, db: None) -> None:
    assert client.get("/").status_code == 200


def test_a_place_is_given_back_after_every_request(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "changes", Room(1))
    monkeypatch.setattr(middleware, "STUCK_SECONDS", 0)

    statuses = [client.post("/language/").status_code for _ in range(3)]

    assert 503 not in statuses
