"""The dashboard and a recognizer's page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.types import AddPictures, MakeVersion
from training.models import ModelVersion, Recognizer, TrainingRun
from webapp.presenters.next_step import NextStep, next_step

pytestmark = pytest.mark.django_db
ADDRESSES = ["/manage/", "/manage/new/", "/manage/shapes/", "/manage/shapes/edit/", "/manage/shapes/labels/new/"]
NAMES = {"name_en": "", "name_zh": "", "description_en": "", "description_zh": ""}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_visitor_is_asked_to_sign_in(client: Client, recognizer: Recognizer, address: str) -> None:
    answer = client.get(address)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login/")


@pytest.mark.parametrize("address", ADDRESSES)
def test_somebody_who_is_not_staff_is_refused(
    client: Client, django_user_model: Any, recognizer: Recognizer, address: str
) -> None:
    client.force_login(django_user_model.objects.create_user("guest"), "django.contrib.auth.backends.ModelBackend")

    assert client.get(address).status_code == 403


def test_an_empty_dashboard_says_how_to_begin(staff_client: Client) -> None:
    page = staff_client.get("/manage/").content.decode()

    assert "Make the first one" in page
    assert page.count("btn-primary") == 1


def test_the_dashboard_shows_what_is_in_use(staff_client: Client, version: ModelVersion) -> None:
    page = staff_client.get("/manage/").content.decode()

    assert "Shapes" in page
    assert "version 1" in page
    assert "succeeded" in page


def test_the_dashboard_asks_few_questions_however_many_recognizers(
    staff_client: Client, version: ModelVersion, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        other = Recognizer.objects.create(slug=f"other-{number}", name_en=f"Other {number}")
        other.runs.create(config=version.run.config)

    with django_assert_max_num_queries(8):
        staff_client.get("/manage/")


def test_a_recognizer_needs_one_name_only(staff_client: Client) -> None:
    answer = staff_client.post("/manage/new/", {**NAMES, "name_en": "Birds", "slug": "birds"})

    assert answer.headers["Location"] == "/manage/birds/"
    assert Recognizer.objects.get().name == "Birds"


def test_a_recognizer_without_a_name_is_refused(staff_client: Client) -> None:
    answer = staff_client.post("/manage/new/", {**NAMES, "slug": "birds"})

    assert answer.status_code == 400
    assert "at least one language" in answer.content.decode()


@pytest.mark.parametrize("slug", ["Birds", "two words", "runs", "new", "shapes", "-", ""])
def test_an_address_that_cannot_be_one_is_refused(staff_client: Client, recognizer: Recognizer, slug: str) -> None:
    answer = staff_client.post("/manage/new/", {**NAMES, "name_en": "Birds", "slug": slug})

    assert answer.status_code == 400
    assert Recognizer.objects.count() == 1


@pytest.mark.parametrize(
    ("slug", "sentence"),
    [("two words", "Use lower-case letters, digits and hyphens."), ("shapes", "Another recognizer has this address.")],
)
def test_a_refused_address_says_what_it_must_be(
    staff_client: Client, recognizer: Recognizer, slug: str, sentence: Any
) -> None:
    answer = staff_client.post("/manage/new/", {**NAMES, "name_en": "Birds", "slug": slug})

    assert sentence in answer.content.decode()


def test_a_recognizer_is_renamed(staff_client: Client, recognizer: Recognizer) -> None:
    staff_client.post("/manage/shapes/edit/", {**NAMES, "name_en": "Forms", "slug": "forms"})

    recognizer.refresh_from_db()
    assert (recognizer.name_en, recognizer.slug, recognizer.is_public) == ("Forms", "forms", False)


@pytest.mark.parametrize(("said", "kept"), [("unknown", None), ("true", True), ("false", False)])
def test_staff_say_whether_a_mirrored_picture_shows_the_same(
    staff_client: Client, recognizer: Recognizer, said: Any, kept: Any
) -> None:
    staff_client.post("/manage/shapes/edit/", {**NAMES, "name_en": "Forms", "slug": "shapes", "is_mirror_safe": said})

    recognizer.refresh_from_db()
    assert recognizer.is_mirror_safe is kept


def test_the_shares_of_the_split_are_the_recognizers(staff_client: Client, recognizer: Recognizer) -> None:
    shares = {"validation_share": "0.2", "test_share": "0.25"}

    staff_client.post("/manage/shapes/edit/", {**NAMES, "name_en": "Forms", "slug": "shapes", **shares})

    recognizer.refresh_from_db()
    assert (recognizer.validation_share, recognizer.test_share) == (0.2, 0.25)


@pytest.mark.parametrize("shares", [{}, {"validation_share": "", "test_share": ""}])
def test_a_share_that_is_left_out_stays_as_it_is(staff_client: Client, recognizer: Recognizer, shares: Any) -> None:
    recognizer.test_share = 0.3
    recognizer.save()

    staff_client.post("/manage/shapes/edit/", {**NAMES, "name_en": "Forms", "slug": "shapes", **shares})

    recognizer.refresh_from_db()
    assert (recognizer.validation_share, recognizer.test_share) == (0.15, 0.3)


def test_a_share_that_leaves_too_little_to_learn_from_is_refused(staff_client: Client, recognizer: Recognizer) -> None:
    answer = staff_client.post(
        "/manage/shapes/edit/", {**NAMES, "name_en": "Forms", "slug": "shapes", "test_share": "0.5"}
    )

    assert answer.status_code == 400
    assert "less than or equal to 0.3" in answer.content.decode()


def test_an_edit_that_fails_leaves_the_crumbs_as_they_were(staff_client: Client, recognizer: Recognizer) -> None:
    answer = staff_client.post("/manage/shapes/edit/", {**NAMES, "name_en": "Forms", "slug": "no good"})

    assert answer.status_code == 400
    assert 'href="/manage/shapes/"' in answer.content.decode()


def test_the_page_of_an_unknown_recognizer_is_not_found(staff_client: Client) -> None:
    assert staff_client.get("/manage/nothing/").status_code == 404


def test_a_recognizers_page_asks_few_questions(
    staff_client: Client,
    recognizer: Recognizer,
    add_pictures: AddPictures,
    make_version: MakeVersion,
    django_assert_max_num_queries: Any,
) -> None:
    add_pictures(recognizer, count=3)
    for _ in range(6):
        make_version(recognizer).publish(None)

    with django_assert_max_num_queries(20):
        page = staff_client.get("/manage/shapes/").content.decode()

    assert "Roll back to version 5" in page


def test_each_state_of_a_recognizer_has_one_primary_button(
    staff_client: Client,
    recognizer: Recognizer,
    add_pictures: AddPictures,
    make_version: MakeVersion,
) -> None:
    def primary_buttons() -> Any:
        return staff_client.get("/manage/shapes/").content.decode().count("btn-primary")

    assert primary_buttons() == 2  # the drop zone's, and the one for browsers without scripts
    add_pictures(recognizer, label="circle", count=3)
    add_pictures(recognizer, label="square", count=3)
    assert primary_buttons() == 1
    make_version(recognizer)
    assert primary_buttons() == 1


def test_the_next_step_leads_from_pictures_to_the_visitors_page(
    recognizer: Recognizer,
    add_pictures: AddPictures,
    make_version: MakeVersion,
) -> None:
    assert next_step(recognizer, None) == NextStep.ADD_PICTURES
    add_pictures(recognizer, label="circle", count=3)
    add_pictures(recognizer, label="square", count=3)
    assert next_step(recognizer, None) == NextStep.TRAIN
    version = make_version(recognizer)
    assert next_step(recognizer, version) == NextStep.PUBLISH
    version.publish(None)
    assert next_step(recognizer, version) == NextStep.TRY
    recognizer.runs.create(config=version.run.config, state=TrainingRun.State.QUEUED)
    assert next_step(recognizer, version) == NextStep.WATCH


def test_a_version_worse_than_the_one_in_use_is_not_pressed_on_anybody(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    worse = make_version(recognizer)
    worse.test_accuracy = 0.1

    assert next_step(recognizer, worse) == NextStep.TRY


def test_a_label_is_added(staff_client: Client, recognizer: Recognizer) -> None:
    staff_client.post("/manage/shapes/labels/new/", {"key": "triangle", "name_en": "Triangle", "name_zh": "三角"})

    assert recognizer.labels.get(key="triangle").name_zh == "三角"


@pytest.mark.parametrize("key", ["circle", "", "a/b", ".hidden", "x" * 101])
def test_a_label_key_that_cannot_be_one_is_refused(staff_client: Client, recognizer: Recognizer, key: Any) -> None:
    answer = staff_client.post("/manage/shapes/labels/new/", {"key": key, "name_en": "", "name_zh": ""})

    assert answer.status_code == 400
    assert recognizer.labels.count() == 2


def test_a_label_is_renamed_and_keeps_its_key(staff_client: Client, recognizer: Recognizer) -> None:
    label = recognizer.labels.get(key="circle")

    staff_client.post(f"/manage/shapes/labels/{label.pk}/", {"name_en": "Disc", "name_zh": "圆盘", "key": "disc"})

    label.refresh_from_db()
    assert (label.key, label.name_en) == ("circle", "Disc")


def test_an_empty_label_is_deleted(staff_client: Client, recognizer: Recognizer) -> None:
    label = recognizer.labels.get(key="circle")

    staff_client.post(f"/manage/shapes/labels/{label.pk}/", {"delete": "1"})

    assert not recognizer.labels.filter(key="circle").exists()


def test_a_label_with_pictures_is_not_deleted(
    staff_client: Client, recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    add_pictures(recognizer, label="circle", count=1)
    label = recognizer.labels.get(key="circle")

    answer = staff_client.post(f"/manage/shapes/labels/{label.pk}/", {"delete": "1"}, follow=True)

    assert "still has pictures" in answer.content.decode()
    assert recognizer.labels.filter(key="circle").exists()


def test_a_label_of_another_recognizer_is_not_found(staff_client: Client, recognizer: Recognizer) -> None:
    other = Recognizer.objects.create(slug="other", name_en="Other")

    assert staff_client.get(f"/manage/other/labels/{recognizer.labels.first().pk}/").status_code == 404
    assert other.labels.count() == 0


@pytest.mark.parametrize("key", [" circle", "\u202ecircle", "cir\u200bcle"])
def test_a_label_that_looks_like_another_is_refused(staff_client: Client, recognizer: Recognizer, key: str) -> None:
    answer = staff_client.post("/manage/shapes/labels/new/", {"key": key, "name_en": "", "name_zh": ""})

    assert "There is a label of that name already." in answer.content.decode()


def test_names_are_kept_without_what_cannot_be_seen(staff_client: Client, recognizer: Recognizer) -> None:
    label = recognizer.labels.get(key="circle")
    hidden = {"name_en": "\u202eDisc\u200b  red ", "name_zh": "\u3000圆"}

    staff_client.post(f"/manage/shapes/labels/{label.pk}/", hidden)
    staff_client.post("/manage/shapes/edit/", {**NAMES, **hidden, "slug": "shapes"})
    staff_client.post("/manage/shapes/labels/new/", {"key": "\u200b red  disc", "name_en": "", "name_zh": ""})

    for row in (label, recognizer):
        row.refresh_from_db()
        assert (row.name_en, row.name_zh) == ("Disc red", "圆")
    assert recognizer.labels.filter(key="red disc").exists()


@pytest.mark.parametrize("name", ["\u200b", " \u202e "])
def test_a_name_of_nothing_that_can_be_seen_is_none(staff_client: Client, recognizer: Recognizer, name: str) -> None:
    made = staff_client.post("/manage/new/", {**NAMES, "name_en": name, "slug": "birds"})
    labelled = staff_client.post("/manage/shapes/labels/new/", {"key": name, "name_en": "", "name_zh": ""})

    assert (made.status_code, labelled.status_code) == (400, 400)
