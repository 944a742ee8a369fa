"""A version is looked at, published, taken back and carried away."""

from __future__ import annotations

import json
import re

import pytest

from training.evaluation.metrics import ClassMetrics, Evaluation
from training.models import LabelNames, ModelVersion
from training.models.versions import roll_back
from webapp.presenters.confusion import confusion_rows

pytestmark = pytest.mark.django_db
VERSION = "/manage/shapes/versions/1/"


@pytest.mark.parametrize("address", [VERSION, f"{VERSION}download/", f"{VERSION}report/", f"{VERSION}evaluation/"])
def test_versions_are_for_staff(client, django_user_model, version, address):
    assert client.get(address).url.startswith("/login/")
    client.force_login(django_user_model.objects.create_user("guest"), "django.contrib.auth.backends.ModelBackend")
    assert client.get(address).status_code == 403


def test_only_staff_publish(client, recognizer, make_version):
    version = make_version(recognizer)

    client.post(f"{VERSION}publish/")

    version.refresh_from_db()
    assert not version.is_active


def test_a_version_shows_its_figures(staff_client, version):
    page = staff_client.get(VERSION).content.decode()

    assert "in use" in page
    assert "Circle" in page
    assert version.h5_sha256 in page
    assert "style=" not in page


def test_a_version_shows_how_far_its_figures_can_be_trusted(staff_client, version):
    page = " ".join(staff_client.get(VERSION).content.decode().split())

    assert "19 times in 20" in page
    assert "Off by, on average" in page
    assert "should hold the true one 9 times in 10" in page
    assert page.count('<svg class="plot"') == 4
    assert "JPEG" in page


def test_a_version_of_an_earlier_release_shows_what_it_has(staff_client, version):
    version.evaluation = {name: version.evaluation[name] for name in ("pictures", "accuracy", "classes", "confusion")}
    version.save()

    page = staff_client.get(VERSION).content.decode()

    assert "What was taken for what" in page
    assert "Off by, on average" not in page
    assert staff_client.get(f"{VERSION}report/").status_code == 200


def test_a_versions_worst_errors_are_shown_with_their_pictures(staff_client, recognizer, version, add_pictures):
    (picture,) = add_pictures(recognizer)
    wrong = {"true": "circle", "answered": "square", "probability": 0.91}
    version.evaluation["worst"] = [{"sha256": picture.sha256, **wrong}, {"sha256": "0" * 64, **wrong}]
    version.save()

    page = staff_client.get(VERSION).content.decode()

    assert f"/manage/pictures/{picture.pk}/file/" in page
    assert page.count("Circle, taken for Square") == 2
    assert "deleted since" in page


def test_the_report_is_one_file_that_fetches_nothing(staff_client, recognizer, version, add_pictures):
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
def test_the_report_is_written_in_the_readers_language(staff_client, version, language):
    page = staff_client.get(f"{VERSION}report/", headers={"accept-language": language}).content.decode()

    assert f'lang="{language}"' in page


def test_the_evaluation_is_carried_away_as_json(staff_client, version):
    answer = staff_client.get(f"{VERSION}evaluation/")

    assert answer["Content-Disposition"] == 'attachment; filename="shapes-version-1.json"'
    assert answer.json()["calibration"] == json.loads(json.dumps(version.evaluation["calibration"]))


def test_a_versions_page_asks_few_questions(staff_client, version, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        staff_client.get(VERSION)


def test_an_unknown_version_is_not_found(staff_client, recognizer):
    assert staff_client.get(VERSION).status_code == 404


def test_a_version_is_published_with_a_reason(staff_client, staff, recognizer, make_version):
    version = make_version(recognizer)

    answer = staff_client.post(f"{VERSION}publish/", {"reason": "better"})

    assert answer.url == "/manage/shapes/"
    assert recognizer.versions.active() == version
    assert version.activations.filter(by=staff, reason="better").exists()


def test_a_version_in_use_is_not_published_again(staff_client, version):
    page = staff_client.post(f"{VERSION}publish/", follow=True).content.decode()

    assert "in use already" in page
    assert version.activations.count() == 1


def test_a_version_whose_file_has_changed_is_not_published(staff_client, recognizer, version, make_version):
    broken = make_version(recognizer)
    broken.files.h5.write_bytes(b"something else")

    page = staff_client.post("/manage/shapes/versions/2/publish/", follow=True).content.decode()

    assert "Version 2 was not published." in page
    assert recognizer.versions.active() == version


@pytest.mark.parametrize("address", ["/manage/", "/manage/shapes/", "/manage/shapes/versions/2/"])
def test_why_a_version_was_not_published_is_said_until_one_is(staff_client, recognizer, version, make_version, address):
    broken = make_version(recognizer)
    broken.files.serving_model[1].unlink()
    staff_client.post("/manage/shapes/versions/2/publish/")
    before = " ".join(staff_client.get(address).content.decode().split())

    make_version(recognizer).publish(None)

    assert "Version 2 could not be published: serving_model.bin is missing." in before
    assert "Version 1 still answers." in before
    assert "could not be published" not in staff_client.get(address).content.decode()


def test_a_version_that_could_not_be_published_is_not_the_next_step(staff_client, recognizer, version, make_version):
    broken = make_version(recognizer)
    ModelVersion.objects.filter(pk=broken.pk).update(test_accuracy=2)
    broken.files.h5.unlink()

    page = staff_client.post("/manage/shapes/versions/2/publish/", follow=True).client.get("/manage/shapes/")

    assert page.context["next_step"] == "try"


def test_a_roll_back_to_a_harmed_version_leaves_the_one_in_use(staff_client, recognizer, version, make_version):
    newer = make_version(recognizer)
    newer.publish(None)
    version.files.h5.write_bytes(b"something else")

    page = staff_client.post("/manage/shapes/roll-back/", {"reason": "wrong"}, follow=True).content.decode()

    assert "Nothing was rolled back." in page
    assert "Version 1 could not be published: network.h5 has changed" in page
    assert recognizer.versions.active() == newer


@pytest.mark.parametrize("address", ["/manage/", "/manage/shapes/", VERSION])
def test_pages_say_on_which_host_a_version_will_not_open(staff_client, version, address):
    version.failed_openings.create(host="<web>", sentence={"template": "It is gone.", "params": {}})

    page = staff_client.get(address).content.decode()

    assert "Version 1 cannot be opened on &lt;web&gt;: It is gone." in page


def test_what_would_not_open_before_the_publication_is_over(staff_client, recognizer, version, make_version):
    version.failed_openings.create(host="web", sentence={"template": "It is gone.", "params": {}})
    make_version(recognizer).publish(None)
    roll_back(recognizer, None, "")

    assert "cannot be opened" not in staff_client.get("/manage/").content.decode()


def test_a_reason_that_is_too_long_is_refused(staff_client, recognizer, make_version):
    make_version(recognizer)

    page = staff_client.post(f"{VERSION}publish/", {"reason": "x" * 501}, follow=True).content.decode()

    assert "at most 500 characters" in page
    assert recognizer.versions.active() is None


def test_a_publication_is_rolled_back_with_a_reason(staff_client, recognizer, version, make_version):
    make_version(recognizer).publish(None)

    staff_client.post("/manage/shapes/roll-back/", {"reason": "calls glass metal"})

    assert recognizer.versions.active() == version
    assert "calls glass metal" in staff_client.get("/manage/shapes/").content.decode()


def test_a_roll_back_without_a_reason_is_refused(staff_client, recognizer, version, make_version):
    newer = make_version(recognizer)
    newer.publish(None)

    page = staff_client.post("/manage/shapes/roll-back/", {"reason": " "}, follow=True).content.decode()

    assert "Say why" in page
    assert recognizer.versions.active() == newer


def test_with_nothing_before_it_nothing_is_rolled_back(staff_client, version):
    page = staff_client.post("/manage/shapes/roll-back/", {"reason": "why not"}, follow=True).content.decode()

    assert "no earlier version" in page


@pytest.mark.parametrize("address", [f"{VERSION}publish/", "/manage/shapes/roll-back/"])
def test_nothing_is_published_by_a_link(staff_client, version, address):
    assert staff_client.get(address).status_code == 405


def test_the_h5_is_carried_away_whole(staff_client, version):
    answer = staff_client.get(f"{VERSION}download/")

    assert answer["Content-Disposition"] == 'attachment; filename="shapes-version-1.h5"'
    assert b"".join(answer.streaming_content) == version.files.h5.read_bytes()


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_an_h5_that_is_not_whole_is_not_handed_out(staff_client, version, harm):
    version.files.h5.write_bytes(b"something else") if harm == "changed" else version.files.h5.unlink()

    answer = staff_client.get(f"{VERSION}download/")

    assert answer.status_code == 409
    assert version.files.h5.name in answer.content.decode()


def test_the_confusion_matrix_is_shaded_by_a_rows_share():
    classes = [ClassMetrics(name, 0.0, 0.0, 0.0, 0) for name in "ab"]
    evaluation = Evaluation(classes=classes, confusion=[[9, 1], [0, 0]])

    first, second = confusion_rows(evaluation, LabelNames({"a": "A"}))

    assert [(cell.count, cell.step, cell.is_right) for cell in first.cells] == [(9, 9, True), (1, 1, False)]
    assert (first.name, second.name) == ("A", "b")
    assert [cell.step for cell in second.cells] == [0, 0]
