"""The form before a training, with its scripts: what means nothing is hidden, and what is known follows the form."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.site import Site

pytestmark = pytest.mark.browser


@pytest.fixture
def form(page: Page, site: Site) -> Page:
    """The page before a training of the starter recognizer, with all settings of a small network."""
    sign_in(page, site)
    page.goto(f"{site.url}/manage/digits/train/?preset=quick&network=mlp")
    return page


def test_a_newcomer_sees_three_cards_and_a_button(page: Page, site: Site) -> None:
    sign_in(page, site)

    page.goto(f"{site.url}/manage/digits/train/")

    expect(page.locator("main a strong:visible")).to_have_text(["Quick", "Balanced", "Thorough"])
    expect(page.get_by_role("button", name="Start training")).to_be_in_viewport()
    expect(page.get_by_label("Seed")).to_be_hidden()


def test_what_means_nothing_to_the_optimizer_is_not_asked_for(form: Page) -> None:
    expect(form.get_by_label("Momentum")).to_be_hidden()

    form.get_by_label("Optimizer").select_option("nesterov")

    expect(form.get_by_label("Momentum")).to_be_visible()


def test_steps_and_learning_rate_follow_the_form(form: Page) -> None:
    expect(form.locator("[data-rates] canvas")).to_be_visible()

    form.get_by_label("Epochs", exact=True).fill("3")
    form.get_by_label("Schedule").select_option("constant")
    form.get_by_label("Learning rate", exact=True).fill("0.25")

    expect(form.locator("[data-text=steps]")).to_have_text(re.compile(r"an epoch, \d+ in all"))
    form.get_by_text("Learning rate in figures").click()
    expect(form.locator("[data-rate-rows] tr").last).to_contain_text("2.50e-01")


def test_a_preset_and_a_network_are_chosen_by_links(form: Page) -> None:
    form.get_by_role("link", name=re.compile("^Thorough")).click()
    form.get_by_role("link", name=re.compile("^Let it choose")).click()

    chosen = form.locator("main nav [aria-current=true] strong")
    expect(chosen).to_have_text(["Thorough", "Let it choose"])
