"""Two versions are looked at side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.test import Client

from tests.types import AddPictures, MakeVersion
from training.artifacts.predictions_file import predictions_to_bytes
from training.artifacts.version_files import PREDICTIONS_NAME
from training.evaluation.predictions import Predictions
from training.models import ModelVersion, Recognizer

pytestmark = pytest.mark.django_db
COMPARE = "/manage/shapes/compare/"

MakeAnswers = Callable[..., None]


@pytest.fixture
def give_answers(add_pictures: AddPictures) -> MakeAnswers:
    """Lets a version have answered the recognizer's pictures, all circles, so many of them wrongly."""

    def give(version: ModelVersion, *, wrong: int) -> None:
        if not version.recognizer.pictures.exists():
            add_pictures(version.recognizer, count=30)
        names = list(version.recognizer.pictures.values_list("sha256", flat=True))
        circle = version.class_names.index("circle")
        given = np.where(np.arange(len(names)) < wrong, 1 - circle, circle)
        probabilities = np.where(np.eye(2)[given] > 0, 0.9, 0.1).astype(np.float32)
        labels = np.full(len(names), circle, np.int32)
        predictions = Predictions(np.array(names, dtype=np.bytes_), labels, probabilities, labels, probabilities)
        content = predictions_to_bytes(predictions)
        (settings.MEDIA_ROOT / version.folder / PREDICTIONS_NAME).write_bytes(content)
        version.predictions_sha256 = hashlib.sha256(content).hexdigest()
        version.save()

    return give


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_comparisons_are_for_staff(client: Client, recognizer: Recognizer) -> None:
    assert client.get(COMPARE).headers["Location"].startswith("/login/")


def test_a_single_version_has_nothing_to_be_compared_with(staff_client: Client, version: ModelVersion) -> None:
    assert "nothing to compare yet" in text(staff_client.get(COMPARE))


def test_a_gain_that_is_more_than_luck_is_called_so(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
    give_answers: MakeAnswers,
) -> None:
    give_answers(version, wrong=20)
    give_answers(make_version(recognizer), wrong=2)

    page = text(staff_client.get(f"{COMPARE}?a=1&b=2"))

    assert "Version 2 is better than version 1; that is more than luck." in page
    assert "+60.0 points" in page
    assert "Only version 2 is right" in page
    assert "Circle; version 1 says Square" in page
    assert "style=" not in page


def test_a_small_difference_may_be_luck(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
    give_answers: MakeAnswers,
) -> None:
    give_answers(version, wrong=1)
    give_answers(make_version(recognizer), wrong=3)

    page = text(staff_client.get(f"{COMPARE}?a=1&b=2"))

    assert "may be luck" in page
    assert "\N{MINUS SIGN}6.7 points" in page


def test_without_a_choice_the_newest_is_compared_with_the_one_in_use(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    newer = make_version(recognizer)

    context = staff_client.get(COMPARE).context

    assert (context["a"], context["b"]) == (version, newer)
    assert "very same pictures" in context["verdict"]


def test_a_version_without_answers_is_said_to_have_none(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    make_version(recognizer)
    ModelVersion.objects.filter(pk=version.pk).update(predictions_sha256="")

    answer = staff_client.get(COMPARE)

    assert answer.status_code == 409
    assert "keeps no answers" in text(answer)


def test_a_version_that_is_not_there_cannot_be_compared(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    make_version(recognizer)

    assert staff_client.get(f"{COMPARE}?a=1&b=9").status_code == 404


def test_the_page_of_another_version_leads_to_the_comparison(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    make_version(recognizer)

    page = staff_client.get("/manage/shapes/versions/2/").content.decode()

    assert f"{COMPARE}?a=1&amp;b=2" in page
    assert COMPARE in staff_client.get("/manage/shapes/").content.decode()


def test_programs_compare_versions_too(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
    give_answers: MakeAnswers,
) -> None:
    give_answers(version, wrong=20)
    give_answers(make_version(recognizer), wrong=2)

    answer = staff_client.get("/api/v1/recognizers/shapes/compare?a=1&b=2").json()

    assert (answer["verdict"], answer["pictures"], answer["only_b_right"]) == ("better", 30, 18)
    assert answer["p_value"] < 0.001
    assert answer["classes"][0]["name"] == "circle"


def test_programs_read_why_versions_cannot_be_compared(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    make_version(recognizer)
    ModelVersion.objects.filter(pk=version.pk).update(predictions_sha256="")

    answer = staff_client.get("/api/v1/recognizers/shapes/compare?a=1&b=2")

    assert answer.status_code == 409
    assert "keeps no answers" in answer.json()["detail"]
