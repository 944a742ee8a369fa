from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from tests.types import AddPictures
from training.models import Job, Picture, Recognizer

ADDRESS = "/manage/shapes/review/"
OLD_ADDRESS = "/manage/shapes/split-anew/"


@pytest.fixture
def pictures(recognizer: Recognizer, add_pictures: AddPictures) -> list[Picture]:
    return [*add_pictures(recognizer, label="circle", count=3), *add_pictures(recognizer, label="square", count=3)]


@pytest.fixture
def review(recognizer: Recognizer, pictures: list[Picture]) -> Job:
    """A finished review that suspects the first picture, and finds the second dark."""
    return recognizer.jobs.create(
        kind=Job.Kind.REVIEW,
        state=Job.State.DONE,
        ended_at=timezone.now(),
        result={
            "num_pictures": 6,
            "features": "pixels",
            "suspects": [{"picture": pictures[0].pk, "label": "circle", "answer": "square", "probability": 0.93}],
            "flawed": [{"picture": pictures[1].pk, "flaws": ["dark"]}],
            "leak": {"naive": 0.9, "grouped": 0.8, "share_duplicated": 0.25, "naive_on_others": None},
        },
    )


def page(client: Client) -> str:
    return client.get(ADDRESS).content.decode()


def judged(client: Client, picture: Picture, **said: object) -> Picture | None:
    client.post(f"/manage/pictures/{picture.pk}/judge/", said)
    return Picture.objects.filter(pk=picture.pk).first()


def test_a_review_is_started_once(staff_client: Client, recognizer: Recognizer, pictures: list[Picture]) -> None:
    for _ in range(2):
        staff_client.post(f"{ADDRESS}start/")

    assert [job.kind for job in recognizer.jobs.all()] == [Job.Kind.REVIEW]
    assert "Waiting for a worker" in page(staff_client)


def test_the_page_shows_what_the_review_found(staff_client: Client, review: Job) -> None:
    shown = page(staff_client)

    assert "looks like Square (93.0" in shown.replace("\xa0", " ")
    assert "very dark" in shown
    assert "Nearly the same pictures on both sides" in shown


def test_a_label_that_a_person_confirmed_is_not_listed_again(
    staff_client: Client, review: Job, pictures: list[Picture]
) -> None:
    picture = judged(staff_client, pictures[0], verdict="right")

    assert picture is not None
    assert picture.is_label_confirmed
    assert "looks like Square" not in page(staff_client)


def test_a_picture_moves_to_the_label_that_a_person_chose(
    staff_client: Client, recognizer: Recognizer, review: Job, pictures: list[Picture]
) -> None:
    picture = judged(staff_client, pictures[0], verdict="move", label=recognizer.labels.get(key="square").pk)

    assert picture is not None
    assert picture.label.key == "square"
    assert "looks like Square" not in page(staff_client)


def test_a_picture_moves_to_no_label_of_another_recognizer(staff_client: Client, pictures: list[Picture]) -> None:
    other = Recognizer.objects.create(slug="other", name_en="Other").labels.create(key="cat")

    picture = judged(staff_client, pictures[0], verdict="move", label=other.pk)

    assert picture is not None
    assert picture.label.key == "circle"


def test_a_picture_is_deleted_with_its_file(staff_client: Client, review: Job, pictures: list[Picture]) -> None:
    assert judged(staff_client, pictures[0], verdict="delete") is None

    assert not pictures[0].path.exists()
    assert "looks like Square" not in page(staff_client)


def test_near_duplicates_whose_labels_contradict_one_another_are_shown(
    staff_client: Client, recognizer: Recognizer, pictures: list[Picture]
) -> None:
    recognizer.pictures.filter(pk__in=[pictures[0].pk, pictures[5].pk]).update(group="same")

    assert "Their labels contradict one another" in page(staff_client)


def test_a_new_split_asks_first(staff_client: Client, recognizer: Recognizer, pictures: list[Picture]) -> None:
    recognizer.pictures.update(split="train", group="one")

    asked = staff_client.get("/manage/shapes/new-split/").content.decode()
    assert "cannot be compared" in asked
    assert recognizer.pictures.filter(split="train").count() == 6

    staff_client.post("/manage/shapes/new-split/")
    assert recognizer.pictures.filter(split="", group="").count() == 6


def test_the_page_of_a_recognizer_without_pictures_says_what_it_is_for(
    staff_client: Client, recognizer: Recognizer
) -> None:
    assert "Nothing is changed until you say so" in page(staff_client)


def test_the_address_of_earlier_releases_leads_to_the_new_split(staff_client: Client, recognizer: Recognizer) -> None:
    answer = staff_client.get(OLD_ADDRESS)

    assert (answer.status_code, answer.headers["Location"]) == (301, "/manage/shapes/new-split/")


def test_a_page_that_was_open_at_the_earlier_address_still_makes_a_new_split(
    staff_client: Client, recognizer: Recognizer, pictures: list[Picture]
) -> None:
    recognizer.pictures.update(split="train", group="one")

    staff_client.post(OLD_ADDRESS)

    assert recognizer.pictures.filter(split="", group="").count() == 6


@pytest.mark.parametrize("address", [ADDRESS, "/manage/shapes/new-split/", OLD_ADDRESS])
def test_only_staff_look_through_pictures(client: Client, recognizer: Recognizer, address: str) -> None:
    assert client.get(address).status_code == 302
