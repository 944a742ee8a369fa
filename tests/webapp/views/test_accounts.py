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


# --- one's own password
NEW = "quite another password"
PASSWORD = "/account/password/"


def change(client: Client, *, old: str = "a long password", new: str = NEW, again: str = NEW) -> Any:
    return client.post(PASSWORD, {"old_password": old, "new_password1": new, "new_password2": again}, follow=True)


@pytest.fixture
def signed_in(db: None) -> Client:
    """Somebody who is not staff."""
    User.objects.create_user("guest", password="a long password")
    client = Client()
    client.post("/login/", {"username": "guest", "password": "a long password"})
    return client


def test_whoever_is_signed_in_finds_the_page(signed_in: Client) -> None:
    assert f'href="{PASSWORD}"' in signed_in.get("/").content.decode()
    assert "signed in as guest" in signed_in.get(PASSWORD).content.decode()


def test_a_visitor_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get(PASSWORD)["Location"] == f"/login/?next={PASSWORD}"
    assert PASSWORD not in client.get("/").content.decode()


def test_the_password_is_changed_and_other_sessions_end(signed_in: Client) -> None:
    elsewhere = Client()
    elsewhere.post("/login/", {"username": "guest", "password": "a long password"})

    page = change(signed_in)

    assert "Your password is changed" in page.content.decode()
    assert signed_in.get(PASSWORD).status_code == 200
    assert elsewhere.get(PASSWORD).status_code == 302
    assert User.objects.get().check_password(NEW)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"old": "wrong"}, "not the password you have signed in with"),
        ({"new": "short", "again": "short"}, "too short"),
        ({"new": "12345678901", "again": "12345678901"}, "entirely numeric"),
        ({"again": "something else"}, "match"),
    ],
)
def test_a_wrong_change_is_refused_in_words(signed_in: Client, fields: Any, said: str) -> None:
    page = change(signed_in, **fields)

    assert said in page.content.decode()
    assert User.objects.get().check_password("a long password")


def test_guessing_the_old_password_is_counted_as_any_other(signed_in: Client) -> None:
    statuses = [change(signed_in, old=f"wrong {number}").status_code for number in range(7)]

    assert statuses == [200] * 4 + [429] * 3
    assert change(signed_in).status_code == 429


# --- the admin has no login of its own
def test_the_admin_sends_a_visitor_to_the_sites_login(client: Client, staff: User) -> None:
    answer = client.get("/admin/auth/user/", follow=True)

    assert answer.request["PATH_INFO"] == "/login/"
    assert answer.request["QUERY_STRING"] == "next=%2Fadmin%2Fauth%2Fuser%2F"
    assert sign_in(client, "a long password", next="/admin/auth/user/")["Location"] == "/admin/auth/user/"


def test_the_admin_takes_no_password(client: Client, staff: User) -> None:
    answer = client.post("/admin/login/", {"username": "staff", "password": "a long password"})

    assert answer["Location"] == "/login/?next=/admin/"
    assert "_auth_user_id" not in client.session


def test_the_admin_leads_to_no_other_site(client: Client, db: None) -> None:
    assert client.get("/admin/login/?next=https://evil.example/")["Location"] == "/login/?next=/admin/"


def test_who_is_not_staff_reads_that_the_admin_is_not_for_them(signed_in: Client) -> None:
    assert signed_in.get("/admin/", follow=True).status_code == 403


def test_staff_who_are_signed_in_go_on_to_the_admin(staff_client: Client) -> None:
    assert staff_client.get("/admin/login/?next=/admin/")["Location"] == "/admin/"
    assert staff_client.get("/admin/password_change/")["Location"] == PASSWORD


def test_sessions_that_began_before_go_on(staff_client: Client) -> None:
    """Their backend is Django's own, by which everybody signed in once."""
    assert staff_client.session["_auth_user_backend"] == "django.contrib.auth.backends.ModelBackend"
    assert staff_client.get("/manage/").status_code == 200
