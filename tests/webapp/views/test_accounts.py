from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import Client, RequestFactory

from webapp.guards import StaffRequest, staff_required

pytestmark = pytest.mark.usefixtures("_counting")


def sign_in(client: Client, password: str, **data: str) -> Any:
    return client.post("/login/", {"username": "staff", "password": password, **data})


@staff_required
def secret(request: StaffRequest) -> HttpResponse:
    return HttpResponse(request.user.username)


def test_staff_sign_in_and_reach_the_dashboard(client: Client, staff: User) -> None:
    answer = sign_in(client, "a long password")

    assert answer.status_code == 302
    assert answer["Location"] == "/manage/"


def test_signing_in_leads_back_to_the_page_that_asked(client: Client, staff: User) -> None:
    assert sign_in(client, "a long password", next="/manage/runs/")["Location"] == "/manage/runs/"


def test_signing_in_never_leads_to_another_site(client: Client, staff: User) -> None:
    assert sign_in(client, "a long password", next="https://example.com/")["Location"] == "/manage/"


def test_a_wrong_password_is_refused(client: Client, staff: User) -> None:
    page = sign_in(client, "wrong")

    assert page.status_code == 200
    assert 'role="alert"' in page.content.decode()
    assert "wrong" not in page.content.decode()


def test_five_wrong_passwords_lock_the_account_for_a_while(client: Client, staff: User) -> None:
    for _ in range(5):
        answer = sign_in(client, "wrong")

    assert answer.status_code == 429
    assert "Try again in 15 minutes" in answer.content.decode()
    assert sign_in(client, "a long password").status_code == 429


def test_signing_out_takes_a_post(staff_client: Client) -> None:
    assert staff_client.get("/logout/").status_code == 405
    assert staff_client.post("/logout/")["Location"] == "/"


def test_the_guard_lets_staff_in(staff: User) -> None:
    request = RequestFactory().get("/manage/")
    request.user = staff

    answer = secret(request)

    assert isinstance(answer, HttpResponse)
    assert answer.content == b"staff"


def test_the_guard_asks_a_visitor_to_sign_in() -> None:
    request = RequestFactory().get("/manage/runs/?page=2")
    request.user = AnonymousUser()

    assert secret(request)["Location"] == "/login/?next=/manage/runs/%3Fpage%3D2"


def test_the_guard_does_not_send_anybody_back_to_a_form(client: Client, staff: User) -> None:
    request = RequestFactory().post("/manage/shapes/roll-back/")
    request.user = AnonymousUser()

    assert "roll-back" not in secret(request)["Location"]


def test_the_guard_refuses_an_account_that_is_not_staff() -> None:
    request = RequestFactory().get("/manage/")
    request.user = User(username="guest")

    with pytest.raises(PermissionDenied):
        secret(request)


def test_the_admin_is_for_accounts(staff_client: Client, staff: User) -> None:
    staff.is_superuser = True
    staff.save()

    assert "Discern" in staff_client.get("/admin/auth/user/").content.decode()
