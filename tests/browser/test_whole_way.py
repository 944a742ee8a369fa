"""The way of a newcomer, in a real browser on the real site: zip in, train, watch, publish, answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.conftest import sign_in
from tests.drawings import draw, encoded, shapes_zip
from tests.site import Site
from training.data.drawn_pictures import clock

pytestmark = pytest.mark.browser
TRAINING_MS = 120_000


def fill_settings(page: Page) -> None:
    """A small network that learns shapes in seconds."""
    page.get_by_text("Settings", exact=True).click()
    page.get_by_role("link", name=re.compile("^CNN")).click()
    page.get_by_label("Image size").fill("24")
    page.get_by_label("Epochs").fill("16")
    page.get_by_label("Batch size").fill("4")
    page.get_by_label("Learning rate", exact=True).fill("0.005")


def send_zip(page: Page, tmp_path: Path, press: Callable[[Page], None]) -> None:
    archive = tmp_path / "shapes.zip"
    archive.write_bytes(shapes_zip(60))
    page.locator("input[name=archive]").set_input_files(archive)
    press(page)


def make_recognizer(page: Page, site: Site, name: str) -> None:
    page.get_by_role("link", name="New recognizer").click()
    page.get_by_label("Name in English").fill(name)
    page.get_by_label("Address").fill(name.lower().replace(" ", "-"))
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_a_newcomer_gets_from_a_zip_to_an_answer(page: Page, site: Site, tmp_path: Path) -> None:
    sign_in(page, site)
    make_recognizer(page, site, "Shapes")
    send_zip(page, tmp_path, lambda page: None)  # the script sends it as soon as it is chosen
    expect(page.get_by_text("120 pictures were taken.")).to_be_visible(timeout=30_000)

    page.get_by_role("link", name="Train", exact=True).click()
    fill_settings(page)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("16 / 16")).to_be_visible(timeout=TRAINING_MS)  # followed live, without a reload
    page.get_by_role("button", name="Publish").click(timeout=TRAINING_MS)

    page.goto(f"{site.url}/r/shapes/")
    circle = FilePayload(name="circle.png", mimeType="image/png", buffer=encoded(draw("circle", 999)))
    page.locator("input[name=file]").set_input_files(circle)
    expect(page.locator(".best")).to_have_text("circle")


def test_the_same_way_leads_there_without_javascript(browser: Browser, site: Site, tmp_path: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    sign_in(page, site)
    make_recognizer(page, site, "Plain shapes")
    send_zip(page, tmp_path, lambda page: page.get_by_role("button", name="Upload the zip").click())
    expect(page.get_by_text("120 pictures were taken.")).to_be_visible(timeout=30_000)  # the page reloads itself

    page.get_by_role("link", name="Train", exact=True).click()
    fill_settings(page)
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="Publish").click(timeout=TRAINING_MS)

    page.goto(f"{site.url}/r/plain-shapes/")
    square = FilePayload(name="square.png", mimeType="image/png", buffer=encoded(draw("square", 999)))
    page.locator("input[name=file]").set_input_files(square)
    page.get_by_role("button", name="Recognize").click()
    expect(page.locator(".best")).to_have_text("square")


def test_a_fresh_installation_reads_a_drawn_digit(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.get_by_role("link", name="Handwritten digits").click()
    canvas = page.locator("[data-canvas]")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box

    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8, steps=12)
    page.mouse.up()

    expect(page.locator(".best")).to_have_text("1")


def test_a_fresh_installation_names_what_is_in_a_photo(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.get_by_role("link", name="Everyday things").click()
    expect(page.get_by_text(re.compile("^Knows: .* more$"))).to_be_visible()

    photo = FilePayload(name="clock.png", mimeType="image/png", buffer=encoded(Image.fromarray(clock(300))))
    page.locator("input[name=file]").set_input_files(photo)

    expect(page.locator(".best")).to_have_text("clock", timeout=20_000)


@pytest.mark.parametrize("has_scripts", [True, False])
def test_some_of_everyday_things_makes_a_recognizer_of_ones_own(
    browser: Browser, site: Site, has_scripts: bool
) -> None:
    page = browser.new_context(java_script_enabled=has_scripts).new_page()
    sign_in(page, site)
    page.goto(f"{site.url}/manage/everyday/")
    page.get_by_role("link", name="Start your own").click()
    page.get_by_label("Name in English").fill(f"Kitchen {has_scripts}")
    page.get_by_label("Address").fill(f"kitchen-{has_scripts}".lower())
    for name in ("clock", "teapot"):
        if has_scripts:
            page.get_by_role("searchbox").fill(name)
        page.get_by_label(name, exact=True).check()
    if has_scripts:
        expect(page.get_by_label("abacus", exact=True)).to_be_hidden()
        expect(page.locator("[data-count]")).to_have_text("2")
    page.get_by_role("button", name="Make it").click()

    expect(page.get_by_role("link", name=re.compile("^Version 1"))).to_be_visible(timeout=TRAINING_MS)


def test_a_training_can_be_cancelled_while_it_is_watched(page: Page, site: Site, tmp_path: Path) -> None:
    sign_in(page, site)
    page.goto(f"{site.url}/manage/digits/train/?network=cnn")
    page.get_by_label("Epochs").fill("500")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text(re.compile("^preparing|^training"))).to_be_visible(timeout=30_000)

    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("status").get_by_text("cancelled")).to_be_visible(timeout=10_000)


@pytest.mark.parametrize("path", ["/", "/r/digits/", "/login/", "/manage/", "/manage/digits/", "/manage/digits/train/"])
def test_no_page_is_wider_than_a_phone(page: Page, site: Site, path: str) -> None:
    sign_in(page, site)
    page.set_viewport_size({"width": 360, "height": 740})

    page.goto(f"{site.url}{path}")

    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_switch_changes_the_language(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/r/digits/")

    page.get_by_role("button", name="中文").click()

    expect(page.get_by_role("heading", name="手写数字")).to_be_visible()
