"""What every page has in common: its frame, its language, its headers and what is said when something goes wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client

from training.models import ModelVersion

STATIC = Path(__file__).parents[3] / "static"


def test_a_page_may_run_only_what_the_site_ships(client: Client, db: None) -> None:
    policy = client.get("/")["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("header", "value"),
    [("X-Frame-Options", "DENY"), ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin")],
)
def test_a_page_is_sent_with_the_safe_headers(client: Client, db: None, header: Any, value: Any) -> None:
    assert client.get("/")[header] == value


def test_no_template_holds_inline_code() -> None:
    """But for the report: it is carried away as one file, and no page of the site."""
    templates = STATIC.parent / "templates"
    for template in set(templates.rglob("*.html")) - {templates / "versions" / "report.html"}:
        source = template.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script>", source), template


def test_no_vendored_file_points_to_a_source_map() -> None:
    for file in (STATIC / "vendor").rglob("*.*"):
        assert "sourceMappingURL=" not in file.read_text(), file


def test_a_page_is_in_the_browsers_language(client: Client, db: None) -> None:
    assert '<html lang="en">' in client.get("/").content.decode()
    assert '<html lang="zh-hans">' in client.get("/", headers={"Accept-Language": "zh-CN"}).content.decode()


def test_a_visitor_changes_the_language_and_stays_on_the_page(client: Client, version: ModelVersion) -> None:
    answer = client.post("/language/setlang/", {"language": "zh-hans", "next": "/r/shapes/"}, follow=True)

    assert answer.request["PATH_INFO"] == "/r/shapes/"
    assert "<h1>形状</h1>" in answer.content.decode()


def test_the_way_to_the_dashboard_is_shown_to_staff_only(client: Client, staff: User) -> None:
    assert "/manage/" not in client.get("/").content.decode()

    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")

    assert "/manage/runs/" in client.get("/").content.decode()


def test_a_page_that_is_not_there_shows_a_way_on(client: Client, db: None) -> None:
    page = client.get("/nothing/")

    assert page.status_code == 404
    assert "There is no such page" in page.content.decode()
    assert 'href="/"' in page.content.decode()


def test_who_is_not_staff_is_told_so(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("guest"), backend="django.contrib.auth.backends.ModelBackend")

    page = client.get("/manage/")

    assert page.status_code == 403
    assert "for staff" in page.content.decode()


def test_an_error_is_a_sentence_where_a_script_asked(client: Client, db: None) -> None:
    page = client.get("/nothing/", headers={"HX-Request": "true"}).content.decode()

    assert "The address may be mistyped" in page
    assert "<html" not in page


@pytest.mark.parametrize("template", ["400.html", "500.html"])
def test_the_pages_for_broken_requests_need_no_context(template: Any) -> None:
    assert "<h1>" in render_to_string(template)


def test_a_form_that_was_open_for_too_long_says_what_to_do(db: None) -> None:
    page = Client(enforce_csrf_checks=True).post("/login/", {"username": "a", "password": "b"})

    assert page.status_code == 403
    assert "Load the page again" in page.content.decode()
