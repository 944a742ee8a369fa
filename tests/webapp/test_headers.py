"""What goes with every answer, and what of it a browser may keep."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.test import Client

from tests.types import AddPictures
from training.models import ModelVersion, Recognizer

pytestmark = pytest.mark.django_db
CLASSIFY = "/api/v1/recognizers/shapes/classify"
OF_EVERY_KIND = [
    *("/", "/r/shapes/", "/login/", "/manage/", "/admin/", "/nothing/", "/healthz", "/metrics", "/api/v1/docs"),
    *("/api/v1/openapi.json", "/api/v1/recognizers", "/api/v1/runs/1", "/api/v1/nothing", CLASSIFY, "static"),
]
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@pytest.fixture(autouse=True)
def _as_a_browser_sees_it(client: Client, version: ModelVersion) -> None:
    client.raise_request_exception = False


def get(client: Client, address: str, **headers: str) -> Any:
    """The answer; `static` is a static file under the name that pages use."""
    address = staticfiles_storage.url("css/site.css") if address == "static" else address
    answer = client.get(address, headers=headers)
    if answer.streaming:
        answer.getvalue()  # which closes it
    return answer


@pytest.mark.parametrize("address", OF_EVERY_KIND)
def test_every_answer_has_the_headers_of_every_answer(client: Client, address: str) -> None:
    answer = get(client, address)

    assert {name: answer[name] for name in HEADERS} == HEADERS
    assert "default-src 'none'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("address", OF_EVERY_KIND)
def test_no_page_may_use_what_the_site_does_not(client: Client, address: str) -> None:
    features = get(client, address)["Permissions-Policy"].split(", ")

    assert {"camera=()", "geolocation=()", "microphone=()", "payment=()", "usb=()"} <= set(features)
    assert all(each.endswith("=()") for each in features)


def test_an_error_has_them_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.views.classify.render", lambda *args, **kwargs: 1 / 0)

    answer = get(client, "/")

    assert answer.status_code == 500
    assert {name: answer[name] for name in HEADERS} == HEADERS
    assert "camera=()" in answer["Permissions-Policy"]


# --- what is kept
PAGES = ["/manage/", "/manage/shapes/", "/manage/nothing/", "/manage/shapes/versions/1/evaluation/", "/admin/"]


@pytest.mark.parametrize("address", [*PAGES, "/manage/shapes/versions/1/download/", "/", "/r/shapes/", "/metrics"])
def test_nothing_that_staff_read_is_kept(staff_client: Client, address: str) -> None:
    assert "no-store" in get(staff_client, address)["Cache-Control"]


@pytest.mark.parametrize("address", ["/api/v1/runs/1", "/api/v1/recognizers", "/api/v1/docs"])
def test_nothing_that_the_api_tells_staff_is_kept(staff_client: Client, address: str) -> None:
    assert "no-store" in get(staff_client, address)["Cache-Control"]


@pytest.mark.parametrize("address", [*PAGES, "/login/", "/logout/"])
def test_nor_is_what_asks_a_visitor_to_sign_in(client: Client, address: str) -> None:
    assert "no-store" in get(client, address)["Cache-Control"]


@pytest.mark.usefixtures("_counting")
def test_the_answer_that_signs_in_is_not_kept(client: Client, staff: Any) -> None:
    answer = client.post("/login/", {"username": "staff", "password": "a long password"})

    assert answer.status_code == 302
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("address", ["/", "/r/shapes/", "/api/v1/recognizers"])
def test_visitors_pages_are_left_to_the_browser(client: Client, address: str) -> None:
    assert not get(client, address).has_header("Cache-Control")


def test_static_files_are_kept_for_good(staff_client: Client) -> None:
    assert "public" in get(staff_client, "static")["Cache-Control"]
    assert "immutable" in get(staff_client, "static")["Cache-Control"]


# --- pictures
@pytest.fixture
def picture(recognizer: Recognizer, add_pictures: AddPictures) -> str:
    return f"/manage/pictures/{add_pictures(recognizer)[0].pk}/file/"


def test_a_picture_is_shown_again_without_asking_for_minutes_by_this_browser_alone(
    staff_client: Client, picture: str
) -> None:
    kept = get(staff_client, picture)["Cache-Control"]

    assert {"private", "max-age=600", "must-revalidate"} == set(kept.split(", "))


def test_then_an_empty_answer_says_that_it_is_the_same(staff_client: Client, picture: str) -> None:
    etag = get(staff_client, picture)["ETag"]

    again = get(staff_client, picture, **{"If-None-Match": etag})

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    assert "private" in again["Cache-Control"]


def test_who_has_signed_out_is_told_nothing_of_it(staff_client: Client, picture: str) -> None:
    etag = get(staff_client, picture)["ETag"]
    staff_client.logout()

    answer = get(staff_client, picture, **{"If-None-Match": etag})

    assert answer.status_code == 302
    assert "no-store" in answer["Cache-Control"]
