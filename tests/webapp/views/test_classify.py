from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from classifier.engine import engine
from classifier.models import Prediction
from tests.types import PictureBytes
from tests.webapp.uploads import BAD_FILES, upload
from training.models import ModelVersion, Recognizer

PAGE = "/r/shapes/"


def send(client: Client, data: bytes, *, htmx: bool = True, language: str = "en") -> Any:
    headers = {"Accept-Language": language} | ({"HX-Request": "true"} if htmx else {})
    return client.post(PAGE, {"file": upload(data)}, headers=headers)


def test_the_start_page_lists_what_answers(client: Client, version: ModelVersion) -> None:
    page = client.get("/").content.decode()

    assert "Shapes" in page
    assert PAGE in page


def test_the_start_page_lists_nothing_that_is_private_or_has_no_version(
    client: Client, recognizer: Recognizer, version: ModelVersion, db: None
) -> None:
    recognizer.is_public = False
    recognizer.save()

    assert PAGE not in client.get("/").content.decode()


def test_an_empty_start_page_tells_a_visitor_what_to_do(client: Client, db: None) -> None:
    assert "signs in to set up the first recognizer" in client.get("/").content.decode()


def test_an_empty_start_page_leads_staff_to_the_dashboard(staff_client: Client) -> None:
    assert "Open the dashboard" in staff_client.get("/").content.decode()


def test_a_picture_is_answered_in_place(client: Client, version: ModelVersion, picture_bytes: PictureBytes) -> None:
    answer = send(client, picture_bytes("square"))

    assert answer.status_code == 200
    assert '<p class="best">Square</p>' in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_without_scripts_the_answer_is_a_whole_page(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    page = send(client, picture_bytes("circle"), htmx=False).content.decode()

    assert "<html" in page
    assert '<p class="best">Circle</p>' in page


def test_labels_are_named_in_the_visitors_language(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    page = send(client, picture_bytes("circle"), language="zh-CN").content.decode()

    assert '<p class="best">圆</p>' in page


def test_the_answer_says_how_sure_and_which_version(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    page = send(client, picture_bytes("circle")).content.decode()

    assert page.count("<meter") == 2
    assert " %" in page
    assert "version 1" in page


def test_the_answer_names_what_else_it_could_well_be(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    before = send(client, picture_bytes("circle")).content.decode()
    version.evaluation["prediction_sets"]["limit"] = 1.0
    version.save()
    engine.close_all()

    page = send(client, picture_bytes("circle")).content.decode()

    assert "Could also be" not in before
    assert "Could also be: Square" in page


def test_an_answer_is_recorded(client: Client, version: ModelVersion, picture_bytes: PictureBytes) -> None:
    send(client, picture_bytes("square"))

    prediction = Prediction.objects.get()
    assert (prediction.label, prediction.source, prediction.version) == ("square", "page", version)


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_in_plain_words(client: Client, version: ModelVersion, name: str) -> None:
    make, status, words = BAD_FILES[name]

    answer = send(client, make())

    assert answer.status_code == status
    assert words in answer.content.decode()


def test_a_form_without_a_file_is_refused(client: Client, version: ModelVersion) -> None:
    answer = client.post(PAGE)

    assert answer.status_code == 400
    assert "There is no picture" in answer.content.decode()


def test_a_refusal_without_scripts_is_a_whole_page_with_the_form(client: Client, version: ModelVersion) -> None:
    page = send(client, b"hello", htmx=False).content.decode()

    assert "not a picture" in page
    assert 'type="file"' in page


def test_without_a_version_the_page_says_so(client: Client, recognizer: Recognizer) -> None:
    page = client.get(PAGE)

    assert page.status_code == 200
    assert "Nothing has been published" in page.content.decode()


def test_without_a_version_a_picture_is_refused(
    client: Client, recognizer: Recognizer, picture_bytes: PictureBytes
) -> None:
    answer = send(client, picture_bytes())

    assert answer.status_code == 409
    assert "no published version" in answer.content.decode()


def test_a_version_whose_files_are_gone_is_unavailable(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    version.files.serving_model[0].unlink()

    answer = send(client, picture_bytes())

    assert answer.status_code == 503
    assert "cannot be opened" in answer.content.decode()


def test_a_private_recognizer_is_not_there_for_visitors(
    client: Client, recognizer: Recognizer, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    recognizer.is_public = False
    recognizer.save()

    assert client.get(PAGE).status_code == 404
    assert send(client, picture_bytes()).status_code == 404


def test_a_private_recognizer_answers_staff(
    staff_client: Client, recognizer: Recognizer, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    recognizer.is_public = False
    recognizer.save()

    assert send(staff_client, picture_bytes()).status_code == 200


def test_an_unknown_recognizer_is_not_there(client: Client, db: None) -> None:
    assert client.get("/r/nothing/").status_code == 404


def test_a_drawn_recognizer_shows_a_canvas_beside_the_upload(
    client: Client, recognizer: Recognizer, version: ModelVersion
) -> None:
    recognizer.is_drawn = True
    recognizer.save()

    page = client.get(PAGE).content.decode()

    assert "<canvas" in page
    assert 'type="file"' in page


def test_a_picture_from_another_site_is_refused(version: ModelVersion, picture_bytes: PictureBytes) -> None:
    answer = send(Client(enforce_csrf_checks=True), picture_bytes(), htmx=False)

    assert answer.status_code == 403
    assert "open for too long" in answer.content.decode()


def test_the_form_itself_passes_the_check_for_other_sites(version: ModelVersion, picture_bytes: PictureBytes) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get(PAGE)
    token = client.cookies["csrftoken"].value

    answer = client.post(PAGE, {"file": upload(picture_bytes()), "csrfmiddlewaretoken": token})

    assert answer.status_code == 200


def test_an_answer_costs_four_queries(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes, django_assert_num_queries: Any
) -> None:
    send(client, picture_bytes())  # opens the network

    with django_assert_num_queries(4):  # recognizer, active version, prediction, labels
        send(client, picture_bytes())


def test_the_pages_cost_few_queries(client: Client, version: ModelVersion, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        client.get("/")
    with django_assert_num_queries(3):  # the third names what it knows
        client.get(PAGE)
