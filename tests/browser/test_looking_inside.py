"""What a student does with a version: choose a picture, wait, look at what each layer makes of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.conftest import sign_in
from tests.drawings import draw, encoded
from tests.site import Site

pytestmark = pytest.mark.browser
LOOKING_MS = 90_000
INSIDE = "/manage/digits/versions/1/inside/"


def test_a_look_inside_is_followed_and_every_layer_opens(page: Page, site: Site) -> None:
    sign_in(page, site)
    page.goto(f"{site.url}/manage/digits/versions/1/")
    page.get_by_role("heading", name="Look inside").click()
    page.get_by_role("link", name="Look inside").click()

    page.locator("button[name=picture]").first.click()

    expect(page.get_by_role("heading", name="What it answers")).to_be_visible(timeout=LOOKING_MS)
    page.get_by_role("link", name="probabilities").click()
    expect(page.get_by_role("img", name="What the layer probabilities makes of the picture")).to_be_visible()


def test_a_picture_of_ones_own_is_looked_at_without_javascript(browser: Browser, site: Site) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    sign_in(page, site)
    page.goto(f"{site.url}{INSIDE}")
    picture = FilePayload(name="circle.png", mimeType="image/png", buffer=encoded(draw("circle", 1)))

    page.get_by_label("A picture of your own").set_input_files(picture)
    page.get_by_role("button", name="Look inside with this picture").click()

    expect(page.get_by_role("heading", name="What it answers")).to_be_visible(timeout=LOOKING_MS)


def test_what_was_found_fits_on_a_phone(page: Page, site: Site) -> None:
    sign_in(page, site)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{site.url}{INSIDE}")
    page.locator("button[name=picture]").first.click()
    expect(page.get_by_role("heading", name="What it answers")).to_be_visible(timeout=LOOKING_MS)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
