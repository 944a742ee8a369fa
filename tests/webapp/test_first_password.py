"""The password of the first start: said once, kept nowhere, and asked to be changed until it is."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

pytestmark = pytest.mark.django_db
SAID = "Your password is still the one that the first start made"
NEW = "quite another password"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> str:
    """What a first start prints."""
    said = io.StringIO()
    monkeypatch.setattr("webapp.management.commands.first_start.call_command", lambda *args, **kwargs: None)
    call_command("first_start", "--no-starter", stdout=said)
    return said.getvalue()


@pytest.fixture
def password(said: str) -> str:
    found = re.search(r"Password: +(\S+)", said)
    assert found
    return found[1]


@pytest.fixture
def signed_in(said: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(), "webapp.logins.PasswordBackend")
    return client


def dashboard(client: Client) -> str:
    return client.get("/manage/").content.decode()


def test_the_start_says_that_it_should_be_changed(said: str) -> None:
    assert "Sign in and change it" in said


def test_who_signs_in_with_it_is_led_to_the_page_that_changes_it(signed_in: Client) -> None:
    page = dashboard(signed_in)

    assert SAID in page
    assert 'class="alert-link" href="/account/password/"' in page


@pytest.mark.usefixtures("_counting")
def test_the_line_is_gone_once_the_page_changed_it(password: str) -> None:
    client = Client()
    client.post("/login/", {"username": "staff", "password": password})
    assert SAID in dashboard(client)

    sent = {"old_password": password, "new_password1": NEW, "new_password2": NEW}
    client.post("/account/password/", sent)

    assert SAID not in dashboard(client)


def by_the_admin(password: str) -> None:
    client = Client()
    client.force_login(User.objects.get(), "webapp.logins.PasswordBackend")
    client.post(f"/admin/auth/user/{User.objects.get().pk}/password/", {"password1": NEW, "password2": NEW})


def by_the_command(password: str) -> None:
    user = User.objects.get()
    user.set_password(NEW)  # as changepassword does
    user.save()


@pytest.mark.parametrize("change", [by_the_admin, by_the_command])
def test_the_line_is_gone_however_it_was_changed(password: str, change: Callable[[str], None]) -> None:
    change(password)

    client = Client()
    client.force_login(User.objects.get(), "webapp.logins.PasswordBackend")
    assert User.objects.get().check_password(NEW)
    assert SAID not in dashboard(client)


@pytest.mark.usefixtures("_counting")
def test_it_cannot_be_changed_into_itself(password: str) -> None:
    client = Client()
    client.post("/login/", {"username": "staff", "password": password})

    sent = {"old_password": password, "new_password1": password, "new_password2": password}
    page = client.post("/account/password/", sent).content.decode()

    assert "This is the password already" in page
    assert SAID in dashboard(client)


def test_a_better_hash_of_the_same_password_changes_nothing(password: str, signed_in: Client, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
    user = User.objects.get()

    assert user.check_password(password)  # which writes the better hash

    assert User.objects.get().password.startswith("scrypt")
    signed_in.force_login(user, "webapp.logins.PasswordBackend")
    assert SAID in dashboard(signed_in)


def test_an_account_that_was_there_before_is_asked_nothing(staff_client: Client, staff: User) -> None:
    staff.is_superuser = True
    staff.save()

    assert SAID not in dashboard(staff_client)
