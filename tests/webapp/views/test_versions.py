"""A version is looked at, published, taken back and carried away."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.types import AddPictures, MakeVersion
from training.evaluation.metrics import ClassMetrics, Evaluation
from training.models import LabelNames, ModelVersion, Recognizer
from training.models.versions import roll_back
from webapp.presenters.confusion import confusion_rows

pytestmark = pytest.mark.django_db
VERSION = "/manage/shapes/versions/1/"


@pytest.mark.parametrize("address", [VERSION, f"{VERSION}download/", f"{VERSION}report/", f"{VERSION}evaluation/"])
def test_versions_are_for_staff(client: Client, django_user_model: Any, version: ModelVersion, address: str) -> None:
    assert client.get(address).headers["Location"].startswith("/login/")
    client.force_login(django_user_model.objects.create_user("guest"), "django.contrib.auth.backends.ModelBackend")
    assert client.get(address).status_code == 403


def test_only_staff_publish(client: Client, recognizer: Recognizer, make_version: MakeVersion) -> None:
    version = make_version(recognizer)

    client.post(f"{VERSION}publish/")

    version.refresh_from_db()
    assert not version.is_active


def test_a_version_shows_its_figures(staff_client: Client, version: ModelVersion) -> None:
    page = staff_client.get(VERSION).content.decode()

    assert "in use" in page
    assert "Circle" in page
    assert version.h5_sha256 in page
    assert "style=" not in page


def test_a_version_shows_how_far_its_figures_can_be_trusted(staff_client: Client, version: ModelVersion) -> None:
    page = " ".join(staff_client.get(VERSION).content.decode().split())

    assert "19 times in 20" in page
    assert "Off by, on average" in page
    assert "should hold the true one 9 times in 10" in page
    assert page.count('<svg class="plot"') == 4
    assert "JPEG" in page


def test_a_version_of_an_earlier_release_shows_what_it_has(staff_client: Client, version: ModelVersion) -> None:
    version.evaluation = {name: version.evaluation[name] for name in ("pictures", "accuracy", "classes", "confusion")}
    version.save()

    page = staff_client.get(VERSION).content.decode()

    assert "What was taken for what" in page
    assert "Off by, on average" not in page
    assert staff_client.get(f"{VERSION}report/").status_code == 200


def test_a_version_begins_with_what_its_owner_wants_to_know(
    staff_client: Client, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    make_version(recognizer)

    page = " ".join(staff_client.get("/manage/shapes/versions/2/").content.decode().split())

    first_screen = page[page.index("<h1>") : page.index("<details")]
    assert re.search(r"Right on (all )?\d+ (of \d+ )?pictures it never saw", first_screen)
    assert "Right on the very same pictures as version 1." in first_screen
    assert "Publish" in first_screen
    assert re.findall(r"<summary><h2>([^<]+)", page) == [
        *("Errors", "Classes", "How sure it may be", "What it withstands", "Look inside", "Settings", "Files")
    ]


def test_a_version_that_was_made_without_pictures_has_a_page(staff_client: Client, version: ModelVersion) -> None:
    ModelVersion.objects.update(test_accuracy=None, evaluation={})

    answer = staff_client.get(VERSION)

    assert answer.status_code == 200
    assert "it never saw" not in answer.content.decode()


@pytest.fixture
def version_of_7735484(version: ModelVersion) -> Any:
    """Its evaluation by the names of that release."""
    version.evaluation["robustness"]["disturbed"] = version.evaluation["robustness"].pop("corrupted")
    version.evaluation["cost"]["twin_bytes"] = version.evaluation["cost"].pop("serving_model_bytes")
    version.save()
    return version


def test_a_version_of_the_release_before_shows_the_same(staff_client: Client, version_of_7735484: Any) -> None:
    page = staff_client.get(VERSION).content.decode()

    assert "What it withstands" in page
    assert "quality 30" in page
    assert "0\N{NO-BREAK SPACE}bytes" not in page


def test_its_figures_are_carried_away_by_todays_names(staff_client: Client, version_of_7735484: Any) -> None:
    figures = staff_client.get(f"{VERSION}evaluation/").json()

    assert figures["robustness"]["corrupted"] == version_of_7735484.evaluation["robustness"]["disturbed"]
    assert figures["cost"]["serving_model_bytes"] == version_of_7735484.evaluation["cost"]["twin_bytes"] > 0
    assert figures["robustness"]["disturbed"] == figures["robustness"]["corrupted"]  # scripts know the old names
    assert figures["cost"]["twin_bytes"] == figures["cost"]["serving_model_bytes"]


def test_a_versions_worst_errors_are_shown_with_their_pictures(
    staff_client: Client, recognizer: Recognizer, version: ModelVersion, add_pictures: AddPictures
) -> None:
    (picture,) = add_pictures(recognizer)
    wrong = {"true": "circle", "answered": "square", "probability": 0.91}
    version.evaluation["worst"] = [{"sha256": picture.sha256, **wrong}, {"sha256": "0" * 64, **wrong}]
    version.save()

    page = staff_client.get(VERSION).content.decode()

    assert f"/manage/pictures/{picture.pk}/file/" in page
    assert page.count("Circle, taken for Square") == 2
    assert "deleted since" in page


def test_the_report_is_one_file_that_fetches_nothing(
    staff_client: Client, recognizer: Recognizer, version: ModelVersion, add_pictures: AddPictures
) -> None:
    (picture,) = add_pictures(recognizer)
    wrong = {"sha256": picture.sha256, "true": "circle", "answered": "square", "probability": 0.91}
    version.evaluation["worst"] = [wrong]
    version.save()

    answer = staff_client.get(f"{VERSION}report/")

    page = answer.content.decode()
    assert answer["Content-Disposition"] == 'attachment; filename="shapes-version-1.html"'
    assert 'src="data:image/jpeg;base64,' in page
    assert not re.search(r"""(src|href)=["'](?!data:)|url\(|<script""", page)
    assert "Learning rate" in page


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_report_is_written_in_the_readers_language(
    staff_client: Client, version: ModelVersion, language: str
) -> None:
    page = staff_client.get(f"{VERSION}report/", headers={"accept-language": language}).content.decode()

    assert f'lang="{language}"' in page


def test_the_evaluation_is_carried_away_as_json(staff_client: Client, version: ModelVersion) -> None:
    answer = staff_client.get(f"{VERSION}evaluation/")

    assert answer["Content-Disposition"] == 'attachment; filename="shapes-version-1.json"'
    assert answer.json()["calibration"] == json.loads(json.dumps(version.evaluation["calibration"]))


def test_a_versions_page_asks_few_questions(
    staff_client: Client, version: ModelVersion, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(9):
        staff_client.get(VERSION)


def test_an_unknown_version_is_not_found(staff_client: Client, recognizer: Recognizer) -> None:
    assert staff_client.get(VERSION).status_code == 404


def test_a_version_is_published_with_a_reason(
    staff_client: Client, staff: User, recognizer: Recognizer, make_version: MakeVersion
) -> None:
    version = make_version(recognizer)

    answer = staff_client.post(f"{VERSION}publish/", {"reason": "better"})

    assert answer.headers["Location"] == "/manage/shapes/"
    assert recognizer.versions.active() == version
    assert version.activations.filter(by=staff, reason="better").exists()


def test_a_version_in_use_is_not_published_again(staff_client: Client, version: ModelVersion) -> None:
    page = staff_client.post(f"{VERSION}publish/", follow=True).content.decode()

    assert "in use already" in page
    assert version.activations.count() == 1


def test_a_version_whose_file_has_changed_is_not_published(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    broken = make_version(recognizer)
    broken.files.h5.write_bytes(b"something else")

    page = staff_client.post("/manage/shapes/versions/2/publish/", follow=True).content.decode()

    assert "Version 2 was not published." in page
    assert recognizer.versions.active() == version


@pytest.mark.parametrize("address", ["/manage/", "/manage/shapes/", "/manage/shapes/versions/2/"])
def test_why_a_version_was_not_published_is_said_until_one_is(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
    address: str,
) -> None:
    broken = make_version(recognizer)
    broken.files.serving_model[1].unlink()
    staff_client.post("/manage/shapes/versions/2/publish/")
    before = " ".join(staff_client.get(address).content.decode().split())

    make_version(recognizer).publish(None)

    assert "Version 2 could not be published: serving_model.bin is missing." in before
    assert "Version 1 still answers." in before
    assert "could not be published" not in staff_client.get(address).content.decode()


def test_a_version_that_could_not_be_published_is_not_the_next_step(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    broken = make_version(recognizer)
    ModelVersion.objects.filter(pk=broken.pk).update(test_accuracy=2)
    broken.files.h5.unlink()

    page = staff_client.post("/manage/shapes/versions/2/publish/", follow=True).client.get("/manage/shapes/")

    assert page.context["next_step"] == "try"


def test_a_roll_back_to_a_harmed_version_leaves_the_one_in_use(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    newer = make_version(recognizer)
    newer.publish(None)
    version.files.h5.write_bytes(b"something else")

    page = staff_client.post("/manage/shapes/roll-back/", {"reason": "wrong"}, follow=True).content.decode()

    assert "Nothing was rolled back." in page
    assert "Version 1 could not be published: network.h5 has changed" in page
    assert recognizer.versions.active() == newer


@pytest.mark.parametrize("address", ["/manage/", "/manage/shapes/", VERSION])
def test_pages_say_on_which_host_a_version_will_not_open(
    staff_client: Client, version: ModelVersion, address: str
) -> None:
    version.failed_openings.create(host="<web>", sentence={"template": "It is gone.", "params": {}})

    page = staff_client.get(address).content.decode()

    assert "Version 1 cannot be opened on &lt;web&gt;: It is gone." in page


def test_what_would_not_open_before_the_publication_is_over(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    version.failed_openings.create(host="web", sentence={"template": "It is gone.", "params": {}})
    make_version(recognizer).publish(None)
    roll_back(recognizer, None, "")

    assert "cannot be opened" not in staff_client.get("/manage/").content.decode()


def test_a_reason_that_is_too_long_is_refused(
    staff_client: Client, recognizer: Recognizer, make_version: MakeVersion
) -> None:
    make_version(recognizer)

    page = staff_client.post(f"{VERSION}publish/", {"reason": "x" * 501}, follow=True).content.decode()

    assert "at most 500 characters" in page
    assert recognizer.versions.active() is None


def test_a_publication_is_rolled_back_with_a_reason(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    make_version(recognizer).publish(None)

    staff_client.post("/manage/shapes/roll-back/", {"reason": "calls glass metal"})

    assert recognizer.versions.active() == version
    assert "calls glass metal" in staff_client.get("/manage/shapes/").content.decode()


def test_a_roll_back_without_a_reason_is_refused(
    staff_client: Client,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
) -> None:
    newer = make_version(recognizer)
    newer.publish(None)

    page = staff_client.post("/manage/shapes/roll-back/", {"reason": " "}, follow=True).content.decode()

    assert "Say why" in page
    assert recognizer.versions.active() == newer


def test_with_nothing_before_it_nothing_is_rolled_back(staff_client: Client, version: ModelVersion) -> None:
    page = staff_client.post("/manage/shapes/roll-back/", {"reason": "why not"}, follow=True).content.decode()

    assert "no earlier version" in page


@pytest.mark.parametrize("address", [f"{VERSION}publish/", "/manage/shapes/roll-back/"])
def test_nothing_is_published_by_a_link(staff_client: Client, version: ModelVersion, address: str) -> None:
    assert staff_client.get(address).status_code == 405


def test_the_h5_is_carried_away_whole(staff_client: Client, version: ModelVersion) -> None:
    answer = staff_client.get(f"{VERSION}download/")

    assert answer["Content-Disposition"] == 'attachment; filename="shapes-version-1.h5"'
    assert answer.getvalue() == version.files.h5.read_bytes()


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_an_h5_that_is_not_whole_is_not_handed_out(staff_client: Client, version: ModelVersion, harm: Any) -> None:
    version.files.h5.write_bytes(b"something else") if harm == "changed" else version.files.h5.unlink()

    answer = staff_client.get(f"{VERSION}download/")

    assert answer.status_code == 409
    assert version.files.h5.name in answer.content.decode()


def test_the_confusion_matrix_is_shaded_by_a_rows_share() -> None:
    classes = [ClassMetrics(name, 0.0, 0.0, 0.0, 0) for name in "ab"]
    evaluation = Evaluation(classes=classes, confusion=[[9, 1], [0, 0]])

    first, second = confusion_rows(evaluation, LabelNames({"a": "A"}))

    assert [(cell.count, cell.step, cell.is_right) for cell in first.cells] == [(9, 9, True), (1, 1, False)]
    assert (first.name, second.name) == ("A", "b")
    assert [cell.step for cell in second.cells] == [0, 0]
