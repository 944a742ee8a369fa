"""Two people have the same recognizer, label or picture open: the second is told, and nothing is overwritten unseen."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from tests.types import AddPictures, MakeVersion
from training.models import Label, ModelVersion, Picture, Recognizer

BACKEND = "django.contrib.auth.backends.ModelBackend"
NAMES = {"name_en": "Shapes", "name_zh": "形状", "description_en": "", "description_zh": "", "slug": "shapes"}


def signed_in(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.create_user(name, is_staff=True), BACKEND)
    return client


@pytest.fixture
def anna(db: None) -> Client:
    return signed_in("anna")


@pytest.fixture
def ben(db: None) -> Client:
    return signed_in("ben")


@pytest.fixture
def label(recognizer: Recognizer) -> Label:
    return recognizer.labels.get(key="circle")


@pytest.fixture
def picture(recognizer: Recognizer, add_pictures: AddPictures) -> Picture:
    return add_pictures(recognizer, label="circle")[0]


def opened_in(page: Any) -> str:
    """What the first form of a page carries."""
    found = re.search(r'name="opened" value="([^"]+)"', page.content.decode())
    assert found
    return found[1]


def opened(client: Client, address: str) -> dict[str, str]:
    return {"opened": opened_in(client.get(address))}


def edit(label: Label) -> str:
    return f"/manage/shapes/labels/{label.pk}/"


EDIT = "/manage/shapes/edit/"
PICTURES = "/manage/shapes/pictures/"


# --- a recognizer and a label
def test_the_second_is_told_who_changed_what_and_nothing_is_written(anna: Client, ben: Client, label: Label) -> None:
    as_ben_saw_it = opened(ben, edit(label))
    anna.post(edit(label), {"name_en": "Disc", "name_zh": "圆", **opened(anna, edit(label))})

    answer = ben.post(edit(label), {"name_en": "Ring", "name_zh": "圆", **as_ben_saw_it})

    page = answer.content.decode()
    assert answer.status_code == 409
    assert "anna has changed this meanwhile" in page
    assert "Name in English: now “Disc”" in page
    assert 'value="Ring"' in page
    label.refresh_from_db()
    assert (label.name_en, label.changed_by.username) == ("Disc", "anna")


def test_the_second_saves_all_the_same(anna: Client, ben: Client, label: Label) -> None:
    as_ben_saw_it = opened(ben, edit(label))
    anna.post(edit(label), {"name_en": "Disc", "name_zh": "圆", **opened(anna, edit(label))})
    told = ben.post(edit(label), {"name_en": "Ring", "name_zh": "圆", **as_ben_saw_it})

    ben.post(edit(label), {"name_en": "Ring", "name_zh": "圆", "opened": opened_in(told)})

    label.refresh_from_db()
    assert (label.name_en, label.changed_by.username) == ("Ring", "ben")


def test_who_is_told_is_told_again_where_a_third_was_quicker(anna: Client, ben: Client, label: Label) -> None:
    as_ben_saw_it = opened(ben, edit(label))
    anna.post(edit(label), {"name_en": "Disc", "name_zh": "圆", **opened(anna, edit(label))})
    told = ben.post(edit(label), {"name_en": "Ring", "name_zh": "圆", **as_ben_saw_it})
    anna.post(edit(label), {"name_en": "Wheel", "name_zh": "圆", **opened(anna, edit(label))})

    again = ben.post(edit(label), {"name_en": "Ring", "name_zh": "圆", "opened": opened_in(told)})

    assert "now “Wheel”" in again.content.decode()


def test_changes_of_different_fields_are_both_kept(anna: Client, ben: Client, label: Label) -> None:
    as_ben_saw_it = opened(ben, edit(label))
    anna.post(edit(label), {"name_en": "Disc", "name_zh": "圆", **opened(anna, edit(label))})

    ben.post(edit(label), {"name_en": "Circle", "name_zh": "圆圈", **as_ben_saw_it})

    label.refresh_from_db()
    assert (label.name_en, label.name_zh) == ("Disc", "圆圈")


def test_what_was_not_touched_is_shown_and_saved_as_it_is_now(
    anna: Client, ben: Client, recognizer: Recognizer
) -> None:
    as_ben_saw_it = opened(ben, EDIT)
    anna.post(EDIT, {**NAMES, "name_en": "Forms", "is_public": "on", "test_share": "0.2", **opened(anna, EDIT)})
    told = ben.post(EDIT, {**NAMES, "name_en": "Figures", "is_drawn": "on", "is_public": "on", **as_ben_saw_it})
    fields = told.context["form"]

    ben.post(EDIT, {name: fields[name].value() for name in fields.fields if fields[name].value() is not None})

    recognizer.refresh_from_db()
    assert "Share it never sees: now “0.2”" in told.content.decode()
    assert (recognizer.name_en, recognizer.test_share, recognizer.is_drawn) == ("Figures", 0.2, True)


def test_the_same_change_by_both_is_no_conflict(anna: Client, ben: Client, label: Label) -> None:
    as_ben_saw_it = opened(ben, edit(label))
    anna.post(edit(label), {"name_en": "Disc", "name_zh": "圆", **opened(anna, edit(label))})

    assert ben.post(edit(label), {"name_en": "Disc", "name_zh": "圆", **as_ben_saw_it}).status_code == 302


def test_each_takes_a_name_away_and_one_stays(anna: Client, ben: Client, recognizer: Recognizer) -> None:
    as_ben_saw_it = opened(ben, EDIT)
    anna.post(EDIT, {**NAMES, "name_en": "", **opened(anna, EDIT)})

    answer = ben.post(EDIT, {**NAMES, "name_zh": "", **as_ben_saw_it})

    assert "at least one language" in answer.content.decode()
    recognizer.refresh_from_db()
    assert recognizer.name == "形状"


def test_a_form_reaches_its_recognizer_under_the_address_it_has_now(
    anna: Client, ben: Client, recognizer: Recognizer
) -> None:
    as_ben_saw_it = opened(ben, EDIT)
    anna.post(EDIT, {**NAMES, "slug": "forms", **opened(anna, EDIT)})

    answer = ben.post(EDIT, {**NAMES, "name_en": "Figures", **as_ben_saw_it})

    assert answer.headers["Location"] == "/manage/forms/"
    recognizer.refresh_from_db()
    assert (recognizer.name_en, recognizer.slug) == ("Figures", "forms")


def test_where_no_page_changed_it_nobody_is_named(anna: Client, ben: Client, label: Label) -> None:
    anna.post(edit(label), {"name_en": "Disc", "name_zh": "圆", **opened(anna, edit(label))})
    as_ben_saw_it = opened(ben, edit(label))
    Label.objects.filter(pk=label.pk).update(name_en="Wheel")

    page = ben.post(edit(label), {"name_en": "Ring", "name_zh": "圆", **as_ben_saw_it}).content.decode()

    assert "This was changed meanwhile" in page
    assert "anna" not in page


@pytest.mark.parametrize("sent", [{}, {"opened": "made up"}])
def test_a_page_of_an_earlier_release_still_saves(ben: Client, label: Label, sent: dict[str, str]) -> None:
    assert ben.post(edit(label), {"name_en": "Ring", "name_zh": "圆", **sent}).status_code == 302

    label.refresh_from_db()
    assert label.name_en == "Ring"


def test_a_label_that_was_renamed_meanwhile_is_not_deleted_unseen(anna: Client, ben: Client, label: Label) -> None:
    as_ben_saw_it = opened(ben, edit(label))
    anna.post(edit(label), {"name_en": "Disc", "name_zh": "圆", **opened(anna, edit(label))})
    sent = {"name_en": "Circle", "name_zh": "圆", "delete": "1"}

    told = ben.post(edit(label), {**sent, **as_ben_saw_it})
    assert "now “Disc”" in told.content.decode()
    assert Label.objects.filter(pk=label.pk).exists()

    ben.post(edit(label), {**sent, "opened": opened_in(told)})
    assert not Label.objects.filter(pk=label.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_the_very_same_moment_one_is_saved_and_the_others_are_told(label: Label) -> None:
    clients = [signed_in(f"editor-{number}") for number in range(4)]
    sent = [{"name_en": f"Name {n}", "name_zh": "圆", **opened(each, edit(label))} for n, each in enumerate(clients)]
    statuses: list[int] = []

    def save(client: Client, form: dict[str, str]) -> None:
        statuses.append(client.post(edit(label), form).status_code)
        connection.close()

    threads = [threading.Thread(target=save, args=each) for each in zip(clients, sent, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [302, 409, 409, 409]


# --- a picture
def judge(picture: Picture) -> str:
    return f"/manage/pictures/{picture.pk}/judge/"


def square(recognizer: Recognizer) -> int:
    return recognizer.labels.get(key="square").pk


def test_a_picture_that_another_moved_is_not_confirmed_under_a_label_nobody_saw(
    anna: Client, ben: Client, recognizer: Recognizer, picture: Picture
) -> None:
    as_ben_saw_it = opened(ben, PICTURES)
    anna.post(judge(picture), {"verdict": "move", "label": square(recognizer), **opened(anna, PICTURES)})

    answer = ben.post(judge(picture), {"verdict": "right", **as_ben_saw_it})

    page = answer.content.decode()
    assert answer.status_code == 409
    assert "anna has changed this meanwhile" in page
    assert "Label: now “Square”" in page
    picture.refresh_from_db()
    assert (picture.label.key, picture.changed_by.username) == ("square", "anna")


def test_a_label_that_another_confirmed_is_not_taken_away_unseen(
    anna: Client, ben: Client, recognizer: Recognizer, picture: Picture
) -> None:
    moved = {"verdict": "move", "label": square(recognizer)}
    as_ben_saw_it = opened(ben, PICTURES)
    anna.post(judge(picture), {"verdict": "right", **opened(anna, PICTURES)})

    told = ben.post(judge(picture), {**moved, **as_ben_saw_it})
    assert "Confirmed by a person: now yes" in told.content.decode()
    assert f'<option value="{square(recognizer)}" selected>' in told.content.decode()

    ben.post(judge(picture), {**moved, "opened": opened_in(told)})
    picture.refresh_from_db()
    assert picture.label.key == "square"


def test_the_same_verdict_of_both_is_no_conflict(anna: Client, ben: Client, picture: Picture) -> None:
    as_ben_saw_it = opened(ben, PICTURES)
    anna.post(judge(picture), {"verdict": "right", **opened(anna, PICTURES)})

    assert ben.post(judge(picture), {"verdict": "right", **as_ben_saw_it}).status_code == 302


@pytest.mark.parametrize("place", ["grid", "review"])
def test_a_picture_that_another_moved_is_not_deleted_unseen(
    anna: Client, ben: Client, recognizer: Recognizer, picture: Picture, place: str
) -> None:
    address = f"/manage/pictures/{picture.pk}/delete/" if place == "grid" else judge(picture)
    sent = {} if place == "grid" else {"verdict": "delete"}
    as_ben_saw_it = opened(ben, PICTURES)
    anna.post(judge(picture), {"verdict": "move", "label": square(recognizer), **opened(anna, PICTURES)})

    told = ben.post(address, {**sent, **as_ben_saw_it})
    assert "Label: now “Square”" in told.content.decode()
    assert picture.path.exists()

    ben.post(address, {**sent, "opened": opened_in(told)})
    assert not Picture.objects.exists()
    assert not picture.path.exists()


def test_in_a_list_the_sentence_takes_the_pictures_place(
    anna: Client, ben: Client, recognizer: Recognizer, picture: Picture
) -> None:
    as_ben_saw_it = opened(ben, PICTURES)
    anna.post(judge(picture), {"verdict": "move", "label": square(recognizer), **opened(anna, PICTURES)})

    answer = ben.post(judge(picture), {"verdict": "right", **as_ben_saw_it}, headers={"HX-Request": "true"})

    assert "<html" not in answer.content.decode()
    assert answer.content.decode().strip().startswith("<li>")
    assert answer.content.decode().count("<li") == 1


def test_a_label_that_is_gone_is_said_so(ben: Client, recognizer: Recognizer, picture: Picture) -> None:
    gone = square(recognizer)
    as_ben_saw_it = opened(ben, PICTURES)
    recognizer.labels.get(key="square").delete()

    answer = ben.post(judge(picture), {"verdict": "move", "label": gone, **as_ben_saw_it})

    assert answer.status_code == 400
    assert "This label was deleted meanwhile" in answer.content.decode()


# --- which version answers
def in_use(client: Client, address: str = "/manage/shapes/") -> dict[str, str]:
    found = re.search(r'name="in_use" value="(\d+)"', client.get(address).content.decode())
    assert found
    return {"in_use": found[1]}


def test_two_who_roll_back_at_once_do_not_go_back_twice(
    anna: Client, ben: Client, version: ModelVersion, make_version: MakeVersion
) -> None:
    for _ in range(2):
        make_version(version.recognizer).publish(None)
    as_ben_saw_it = in_use(ben)
    anna.post("/manage/shapes/roll-back/", {"reason": "dark", **in_use(anna)})

    page = ben.post("/manage/shapes/roll-back/", {"reason": "dark", **as_ben_saw_it}, follow=True).content.decode()

    assert "Version 2 has come into use meanwhile" in page
    assert version.recognizer.versions.active().number == 2


def test_who_publishes_is_told_that_another_version_came_into_use(
    anna: Client, ben: Client, recognizer: Recognizer, make_version: MakeVersion
) -> None:
    for _ in range(2):
        make_version(recognizer)
    first, second = (f"/manage/shapes/versions/{number}/" for number in (1, 2))
    as_ben_saw_it = in_use(ben, first)
    anna.post(f"{second}publish/", in_use(anna, second))

    page = ben.post(f"{first}publish/", as_ben_saw_it, follow=True).content.decode()
    assert "Version 2 has come into use meanwhile" in page

    ben.post(f"{first}publish/", in_use(ben, first))
    assert recognizer.versions.active().number == 1


# --- what is gone
GONE = [EDIT, "/manage/shapes/labels/1/", "/manage/pictures/1/judge/", "/manage/pictures/1/delete/"]
GONE += ["/manage/shapes/versions/1/publish/", "/manage/runs/1/cancel/", "/manage/imports/1/cancel/"]


@pytest.mark.parametrize("address", GONE)
def test_who_acts_on_what_was_deleted_reads_so(anna: Client, address: str) -> None:
    answer = anna.post(address, {"name_en": "Ring"})

    assert answer.status_code == 404
    assert "deleted meanwhile" in answer.content.decode()


def test_a_mistyped_address_says_nothing_of_deleting(anna: Client, client: Client, db: None) -> None:
    assert "deleted meanwhile" not in anna.post("/manage/nothing/at/all/").content.decode()
    assert "deleted meanwhile" not in anna.get(EDIT).content.decode()
    assert "deleted meanwhile" not in client.post("/r/shapes/").content.decode()
