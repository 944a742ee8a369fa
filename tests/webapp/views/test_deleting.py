"""The pages that ask before a version or a recognizer is deleted."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from classifier.answer import Answer, Score
from classifier.models import Prediction
from tests.types import AddPictures, MakeVersion
from training.models import ModelVersion, Recognizer

pytestmark = pytest.mark.django_db
RECOGNIZER, VERSION = "/manage/shapes/delete/", "/manage/shapes/versions/1/delete/"


@pytest.fixture
def unused(recognizer: Recognizer, make_version: MakeVersion) -> ModelVersion:
    """Version 1, which nobody has published."""
    return make_version(recognizer)


@pytest.mark.parametrize("address", [RECOGNIZER, VERSION])
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_staff_delete(
    address: str, method: str, client: Client, django_user_model: Any, unused: ModelVersion
) -> None:
    assert getattr(client, method)(address).headers["Location"].startswith("/login/")
    client.force_login(django_user_model.objects.create_user("guest"), "django.contrib.auth.backends.ModelBackend")
    assert getattr(client, method)(address).status_code == 403
    assert ModelVersion.objects.exists()


@pytest.mark.parametrize("address", [RECOGNIZER, VERSION])
def test_to_look_at_the_question_deletes_nothing(address: str, staff_client: Client, unused: ModelVersion) -> None:
    assert staff_client.get(address).status_code == 200
    assert ModelVersion.objects.exists()


# --- versions
def test_the_version_page_leads_to_the_question(staff_client: Client, unused: ModelVersion) -> None:
    assert VERSION in staff_client.get("/manage/shapes/versions/1/").content.decode()


def test_the_question_says_what_goes_with_a_version_and_what_stays(staff_client: Client, unused: ModelVersion) -> None:
    unused.predictions.create(label="circle", probability=1, scores=[], source="page", milliseconds=1)

    page = staff_client.get(VERSION).content.decode()

    assert "KB" in page
    assert "<dd>1</dd>" in page
    assert f"/manage/runs/{unused.run.pk}/" in page


def test_a_version_is_deleted_and_the_recognizers_page_says_so(staff_client: Client, unused: ModelVersion) -> None:
    answer = staff_client.post(VERSION, follow=True)

    assert answer.redirect_chain == [("/manage/shapes/", 302)]
    assert "Version 1 is deleted." in answer.content.decode()
    assert not ModelVersion.objects.exists()


@pytest.mark.parametrize(("method", "status"), [("get", 200), ("post", 409)])
def test_the_version_in_use_is_kept_with_a_sentence(
    method: str, status: int, staff_client: Client, version: ModelVersion
) -> None:
    answer = getattr(staff_client, method)(VERSION)

    assert answer.status_code == status
    assert "Version 1 is in use. Publish or roll back to another first." in answer.content.decode()
    assert "btn-danger" not in answer.content.decode()
    assert ModelVersion.objects.exists()


def test_the_run_of_a_deleted_version_can_still_be_looked_at(staff_client: Client, unused: ModelVersion) -> None:
    run = unused.run
    unused.remove()

    for address in (f"/manage/runs/{run.pk}/", f"/manage/runs/{run.pk}/status/", "/manage/runs/", "/manage/shapes/"):
        assert staff_client.get(address).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_answer_of_a_version_deleted_meanwhile_is_given_but_not_kept(unused: ModelVersion) -> None:
    answer = Answer(ModelVersion.objects.get(), [Score("circle", 0.9)], 1)
    unused.remove()

    answer.record("page")

    assert not Prediction.objects.exists()


# --- recognizers
def test_the_edit_page_leads_to_the_question_away_from_its_own_button(
    staff_client: Client, recognizer: Recognizer
) -> None:
    page = staff_client.get("/manage/shapes/edit/").content.decode()

    assert RECOGNIZER in page[page.index("</form>", page.index("btn-primary")) :]


def test_a_new_recognizer_has_nothing_to_delete(staff_client: Client) -> None:
    assert "btn-outline-danger" not in staff_client.get("/manage/new/").content.decode()


def test_the_question_says_what_goes_with_a_recognizer(
    staff_client: Client, recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    add_pictures(recognizer, count=3)

    page = staff_client.get(RECOGNIZER).content.decode()

    assert "<dd>3</dd>" in page
    assert "bytes</dd>" in page
    assert "shapes" in page


@pytest.mark.parametrize("typed", ["", "Shapes", "digits"])
def test_a_recognizer_is_deleted_only_by_its_address(typed: Any, staff_client: Client, recognizer: Recognizer) -> None:
    answer = staff_client.post(RECOGNIZER, {"address": typed})

    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.content.decode()
    assert Recognizer.objects.exists()


def test_a_recognizer_is_deleted_and_the_dashboard_says_so(
    staff_client: Client, recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    add_pictures(recognizer)

    answer = staff_client.post(RECOGNIZER, {"address": "shapes"}, follow=True)

    assert answer.redirect_chain == [("/manage/", 302)]
    assert "“Shapes” is deleted." in answer.content.decode()
    assert not Recognizer.objects.exists()


def test_a_recognizer_that_visitors_use_is_kept_with_a_sentence(staff_client: Client, version: ModelVersion) -> None:
    answer = staff_client.post(RECOGNIZER, {"address": "shapes"})

    assert answer.status_code == 409
    assert "Visitors use it." in answer.content.decode()
    assert Recognizer.objects.exists()


def test_the_question_asks_the_database_little(
    staff_client: Client, unused: ModelVersion, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(12):
        staff_client.get(RECOGNIZER)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_after_a_deletion_by_hand(
    staff_client: Client,
    recognizer: Recognizer,
    add_pictures: AddPictures,
    make_version: MakeVersion,
) -> None:
    add_pictures(recognizer, count=2)
    make_version(recognizer)

    staff_client.post(RECOGNIZER, {"address": "shapes"})

    assert [path for path in django_settings.DATA_DIR.rglob("*") if path.is_file()] == []
    with connection.cursor() as cursor:
        for table in ("picture", "label", "trainingrun", "modelversion"):
            cursor.execute(f"SELECT count(*) FROM training_{table}")  # noqa: S608  names of ours
            assert cursor.fetchone() == (0,)


# --- the API
API = "/api/v1/recognizers/shapes"


@pytest.mark.parametrize("address", [API, f"{API}/versions/1"])
def test_the_api_deletes_for_staff_only(address: str, staff_client: Client, unused: ModelVersion) -> None:
    assert Client().delete(address).status_code == 401
    assert ModelVersion.objects.exists()

    assert staff_client.delete(address).status_code == 204
    assert not ModelVersion.objects.exists()


@pytest.mark.parametrize(("address", "sentence"), [(API, "Visitors use it."), (f"{API}/versions/1", "is in use.")])
def test_the_api_refuses_to_delete_what_is_in_use(
    address: str, sentence: Any, staff_client: Client, version: ModelVersion
) -> None:
    answer = staff_client.delete(address)

    assert answer.status_code == 409
    assert sentence in answer.json()["detail"]
    assert ModelVersion.objects.exists()


def test_the_api_deletes_nothing_without_the_forms_token(staff: User, unused: ModelVersion) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff, "django.contrib.auth.backends.ModelBackend")

    assert client.delete(API).status_code == 403
    assert ModelVersion.objects.exists()
