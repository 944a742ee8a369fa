"""Too often: what the page, the API and the upload say, and who counts with whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from limits import RateLimitItemPerHour, RateLimitItemPerMinute

from tests.types import PictureBytes
from tests.webapp.uploads import upload
from training.models import ModelVersion
from webapp.counters import breaker
from webapp.operations.embedded_redis import socket_url
from webapp.operations.prometheus import turned_away

CLASSIFY = "/api/v1/recognizers/shapes/classify"
PAGE = "/r/shapes/"
VISITOR, ANOTHER = "203.0.113.9", "198.51.100.7"

pytestmark = pytest.mark.usefixtures("_counting", "_two_a_minute")


@pytest.fixture
def _two_a_minute(settings: Any) -> None:
    settings.RATE_ANSWERS = settings.RATE_UPLOADS = (RateLimitItemPerMinute(2),)


@pytest.fixture
def ask(client: Client, version: ModelVersion, picture_bytes: PictureBytes) -> Any:
    def ask(address: str = CLASSIFY, *, peer: str = VISITOR, by: Client = client, **options: Any) -> Any:
        return by.post(address, {"file": upload(picture_bytes())}, REMOTE_ADDR=peer, **options)

    return ask


def statuses(ask: Any, *requests: dict[str, Any]) -> list[int]:
    return [ask(**each).status_code for each in requests]


def test_the_api_says_when_to_come_again(ask: Any) -> None:
    assert statuses(ask, {}, {}) == [200, 200]

    answer = ask()

    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert "More than 2 pictures within one minute came from your network" in answer.json()["detail"]


def test_the_page_says_it_as_a_page_and_in_place_where_a_script_asked(ask: Any) -> None:
    statuses(ask, {}, {})

    page = ask(PAGE)
    fragment = ask(PAGE, headers={"HX-Request": "true"})

    assert (page.status_code, fragment.status_code) == (429, 429)
    assert "<html" in page.content.decode()
    assert "Too many at once" in page.content.decode()
    assert "<html" not in fragment.content.decode()
    assert 'class="alert alert-danger' in fragment.content.decode()


def test_it_is_said_in_chinese(ask: Any) -> None:
    statuses(ask, {}, {})

    assert "您所在的网络 1 分钟内提交的图片超过 2 张" in ask(headers={"Accept-Language": "zh-CN"}).json()["detail"]


def test_page_and_api_count_together_and_others_by_themselves(ask: Any) -> None:
    assert statuses(ask, {}, {"address": PAGE}, {"address": PAGE}, {"peer": ANOTHER}) == [200, 200, 429, 200]


def test_looking_at_the_page_is_never_too_often(ask: Any, client: Client) -> None:
    statuses(ask, {}, {}, {})

    assert client.get(PAGE, REMOTE_ADDR=VISITOR).status_code == 200


def test_a_household_with_ipv6_counts_as_one(ask: Any) -> None:
    peers = [{"peer": f"2001:db8:1:2::{number}"} for number in range(3)]

    assert statuses(ask, *peers, {"peer": "2001:db8:1:3::1"}) == [200, 200, 429, 200]


def test_who_is_signed_in_counts_by_account(ask: Any, staff: User, version: ModelVersion) -> None:
    signed_in, other = Client(), Client()
    signed_in.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    other.force_login(User.objects.create_user("other"), backend="django.contrib.auth.backends.ModelBackend")

    asked: list[dict[str, Any]] = [
        {"by": signed_in},
        {"by": signed_in},
        {"by": signed_in, "peer": ANOTHER},
        {"by": other},
        {},
    ]

    assert statuses(ask, *asked) == [200, 200, 429, 200, 200]


def test_a_cookie_of_no_session_counts_by_address(ask: Any, client: Client) -> None:
    answers = []
    for number in range(3):
        client.cookies["sessionid"] = f"{number}" * 32
        answers.append(ask().status_code)

    assert answers == [200, 200, 429]


def test_what_this_machine_asks_is_not_counted(ask: Any) -> None:
    assert statuses(ask, *[{"peer": "127.0.0.1"}] * 4) == [200] * 4


def test_what_an_unnamed_proxy_on_this_machine_brings_is(ask: Any) -> None:
    brought = {"peer": "127.0.0.1", "headers": {"X-Forwarded-For": VISITOR}}

    assert statuses(ask, *[brought] * 3) == [200, 200, 429]


def test_where_a_proxy_is_named_this_machine_is_counted_too(ask: Any, settings: Any) -> None:
    settings.TRUSTS_UNIX_SOCKET = True

    assert statuses(ask, *[{"peer": "127.0.0.1"}] * 3) == [200, 200, 429]


def test_two_visitors_behind_a_named_proxy_are_two(ask: Any, settings: Any) -> None:
    settings.TRUSTS_UNIX_SOCKET = True
    behind = [{"peer": "", "headers": {"X-Forwarded-For": each}} for each in (VISITOR, VISITOR, VISITOR, ANOTHER)]

    assert statuses(ask, *behind) == [200, 200, 429, 200]


def test_several_rates_hold_at_once(ask: Any, settings: Any) -> None:
    settings.RATE_ANSWERS = (RateLimitItemPerMinute(3), RateLimitItemPerHour(2))
    statuses(ask, {}, {})

    assert "More than 2 pictures within one hour" in ask().json()["detail"]


def test_no_rate_is_no_limit(ask: Any, settings: Any) -> None:
    settings.RATE_ANSWERS = ()

    assert statuses(ask, *[{}] * 4) == [200] * 4


def test_uploads_are_counted_and_their_script_is_told(staff_client: Client, version: ModelVersion) -> None:
    def send(accept: str) -> Any:
        data = {"label": "circle", "files": upload(b"no picture")}
        return staff_client.post(
            "/manage/shapes/pictures/upload/", data, REMOTE_ADDR=VISITOR, headers={"Accept": accept}
        )

    assert {send("text/html").status_code for _ in range(2)} <= {302, 400}

    page, told = send("text/html"), send("application/json")

    assert (page.status_code, told.status_code) == (429, 429)
    assert "More than 2 uploads within one minute came from your account" in told.json()["errors"][0]


def test_without_redis_pictures_are_answered_and_counted_here(ask: Any, tmp_path: Path, settings: Any) -> None:
    settings.REDIS_URL = socket_url(tmp_path)
    breaker.forget()
    peer = {"peer": "192.0.2.77"}  # of no other test: it is counted in memory

    first, *_, fourth = statuses(ask, *[peer] * 4)  # in memory a window ends with the clock's minute: one more may pass

    assert (first, fourth) == (200, 429)


def test_the_metrics_say_who_was_turned_away(ask: Any) -> None:
    counted = turned_away.labels("answers", "address")
    before = counted._value.get()

    statuses(ask, {}, {}, {}, {})

    assert counted._value.get() == before + 2
