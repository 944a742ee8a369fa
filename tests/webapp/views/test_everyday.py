"""A version that was made without pictures says so everywhere; everyday things are added, and some of them kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.prebuilt import make_prebuilt
from tests.types import MakeVersion
from training.models import Label, ModelVersion, Recognizer, TrainingRun
from training.runs import prebuilt
from training.runs.everyday import add_everyday
from webapp.presenters.next_step import NextStep, next_step

FIGURE = {"en": "77.6", "zh-hans": "77.6"}
NOT_MEASURED = {"en": "Not measured here", "zh-hans": "没有在这里测评过"}
SHORT = {"en": "not measured", "zh-hans": "未测评"}


@pytest.fixture
def everyday(db: None, tiny_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recognizer:
    """Everyday things, whose version is the tiny network."""
    monkeypatch.setattr(prebuilt, "SHARE", tmp_path / "share")
    make_prebuilt(tiny_files)
    return add_everyday(None).recognizer


def unmeasured(version: ModelVersion) -> ModelVersion:
    """As if it had been made without pictures."""
    TrainingRun.objects.filter(pk=version.run_id).update(imagenet_classes={"circle": [1], "square": [2]})
    values: dict[str, Any] = {"test_accuracy": None, "evaluation": {}, "predictions_sha256": ""}
    ModelVersion.objects.filter(pk=version.pk).update(**values)
    return ModelVersion.objects.get(pk=version.pk)


# --- not measured
@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("page", ["versions/1/", "versions/1/report/", "run"])
def test_a_version_without_figures_says_why_and_whose_figure_there_is(
    page: str, language: str, staff_client: Client, everyday: Recognizer
) -> None:
    address = f"/manage/runs/{everyday.runs.get().pk}/" if page == "run" else f"/manage/everyday/{page}"

    answer = staff_client.get(address, headers={"Accept-Language": language})

    assert answer.status_code == 200
    assert NOT_MEASURED[language] in answer.content.decode()
    assert FIGURE[language] in answer.content.decode()
    assert "Google" in answer.content.decode()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("page", ["", "everyday/", "runs/"])
def test_lists_of_versions_say_that_it_is_not_measured(
    page: str, language: str, staff_client: Client, everyday: Recognizer
) -> None:
    answer = staff_client.get(f"/manage/{page}", headers={"Accept-Language": language})

    assert SHORT[language] in answer.content.decode()


def test_its_settings_name_what_it_was_made_with_alone(staff_client: Client, everyday: Recognizer) -> None:
    page = staff_client.get("/manage/everyday/versions/1/").content.decode()

    assert "EfficientNet-Lite2" in page
    assert "Learning rate" not in page


def test_the_api_says_that_there_are_no_figures(staff_client: Client, everyday: Recognizer) -> None:
    figures = staff_client.get("/api/v1/recognizers/everyday/versions/1/evaluation").json()

    assert (figures["accuracy"], figures["pictures"]) == (None, 0)
    assert figures["detail"] == "Version 1 has not been measured here: there were no pictures."
    assert staff_client.get("/manage/everyday/versions/1/evaluation/").json()["accuracy"] is None


def test_a_version_with_figures_counts_as_better_than_one_without(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    unmeasured(version)
    measured = make_version(recognizer)

    assert next_step(recognizer, measured) == NextStep.PUBLISH

    measured.publish(None)

    assert next_step(recognizer, unmeasured(make_version(recognizer))) == NextStep.TRY


def test_the_page_of_one_with_figures_names_one_in_use_that_has_none(
    staff_client: Client, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    unmeasured(version)
    make_version(recognizer)

    page = staff_client.get("/manage/shapes/versions/2/").content.decode()

    assert "Version 1, in use now, has not been measured here" in page
    assert "right on" in page


@pytest.mark.parametrize("address", ["/manage/shapes/compare/?a=1&b=2", "/api/v1/recognizers/shapes/compare?a=1&b=2"])
def test_a_comparison_with_one_that_has_no_figures_says_why_not(
    address: str, staff_client: Client, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    unmeasured(version)
    make_version(recognizer)

    answer = staff_client.get(address)

    assert answer.status_code == 409
    assert "Version 1 has not been measured here: there were no pictures." in answer.content.decode()


# --- hundreds of labels
def test_visitors_read_some_of_what_it_knows_and_how_many_more(client: Client, everyday: Recognizer) -> None:
    page = client.get("/r/everyday/").content.decode()

    found = re.search(r"Knows: (.*) and (\d+) more</p>", page)
    assert found
    assert len(found[1].split(", ")) == 12
    assert 12 + int(found[2]) == everyday.labels.count()
    assert "时钟" in client.get("/r/everyday/", headers={"Accept-Language": "zh-hans"}).content.decode()


def test_visitors_read_all_of_a_few(client: Client, version: ModelVersion) -> None:
    page = client.get("/r/shapes/").content.decode()

    assert "Knows: Circle, Square</p>" in page


def test_staff_see_labels_with_pictures_first_and_the_others_on_demand(
    staff_client: Client, everyday: Recognizer, add_pictures: Any
) -> None:
    add_pictures(everyday, label="clock", count=2)

    page = staff_client.get("/manage/everyday/").content.decode()
    pictures = staff_client.get("/manage/everyday/pictures/").content.decode()

    assert page.count("<meter") == 1
    assert "The others: " in page
    assert page.count("/labels/") >= everyday.labels.count()
    assert pictures.count("?label=") == 1


def test_the_api_scores_every_label_and_on_request_the_best(
    client: Client, version: ModelVersion, picture_bytes: Any
) -> None:
    def scores(query: str) -> list[Any]:
        from tests.webapp.uploads import upload

        address = f"/api/v1/recognizers/shapes/classify{query}"
        return list(client.post(address, {"file": upload(picture_bytes("square"))}).json()["scores"])

    assert [each["label"] for each in scores("")] == ["square", "circle"]
    assert [each["label"] for each in scores("?top=1")] == ["square"]


# --- added
def test_the_page_of_a_new_recognizer_offers_it_where_it_is_not_there(
    staff_client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(prebuilt, "SHARE", tmp_path / "share")
    assert "Add everyday things" in staff_client.get("/manage/new/").content.decode()

    answer = staff_client.post("/manage/new/everyday/")

    run = TrainingRun.objects.get()
    assert answer.headers["Location"] == f"/manage/runs/{run.pk}/"
    assert run.started_by.username == "staff"
    assert "Add everyday things" not in staff_client.get("/manage/new/").content.decode()


def test_what_was_made_while_installing_is_there_at_once(
    staff_client: Client, tiny_files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(prebuilt, "SHARE", tmp_path / "share")
    make_prebuilt(tiny_files)

    page = staff_client.post("/manage/new/everyday/", follow=True)

    assert page.redirect_chain == [("/manage/everyday/", 302)]
    assert "in use" in page.content.decode()


def test_it_is_added_once(staff_client: Client, everyday: Recognizer) -> None:
    page = staff_client.post("/manage/new/everyday/", follow=True).content.decode()

    assert "There is a recognizer “everyday” already." in page
    assert Recognizer.objects.count() == 1


def test_visitors_add_nothing(client: Client, db: None) -> None:
    client.post("/manage/new/everyday/")

    assert not Recognizer.objects.exists()


# --- some of it
KEEP = "/manage/everyday/keep/"
OWN = {"name_en": "Kitchen", "slug": "kitchen", "kept": ["clock", "teapot"]}


def test_its_page_leads_to_a_recognizer_of_ones_own(
    staff_client: Client, everyday: Recognizer, version: ModelVersion
) -> None:
    assert KEEP in staff_client.get("/manage/everyday/").content.decode()
    assert "/keep/" not in staff_client.get("/manage/shapes/").content.decode()
    assert staff_client.get("/manage/shapes/keep/").status_code == 404


@pytest.mark.parametrize(("language", "name"), [("en", "clock"), ("zh-hans", "时钟")])
def test_every_label_can_be_chosen_by_its_name(
    language: str, name: str, staff_client: Client, everyday: Recognizer
) -> None:
    page = staff_client.get(KEEP, headers={"Accept-Language": language}).content.decode()

    assert page.count('name="kept"') == everyday.labels.count()
    assert f'<span class="form-check-label">{name}</span>' in page


def test_what_is_chosen_becomes_a_recognizer_with_a_run(staff_client: Client, everyday: Recognizer) -> None:
    answer = staff_client.post(KEEP, OWN)

    run = TrainingRun.objects.get(recognizer__slug="kitchen")
    assert answer.headers["Location"] == f"/manage/runs/{run.pk}/"
    assert set(run.imagenet_classes) == {"clock", "teapot"}
    assert set(Label.objects.filter(recognizer=run.recognizer).values_list("name_zh", flat=True)) == {"时钟", "茶壶"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kept": []}, "Nothing is chosen. Choose at least two."),
        ({"kept": ["clock"]}, "One is chosen."),
        ({"kept": ["clock", "clock"]}, "One is chosen."),
        ({"kept": ["clock", "unicorn"]}, "“unicorn” is not among them any more."),
        ({"slug": "everyday"}, "Another recognizer has this address."),
        ({"slug": "new"}, "This address is taken by the site itself."),
        ({"name_en": ""}, "Give it a name in at least one language."),
    ],
)
def test_what_cannot_be_is_said_and_what_was_chosen_stays(
    wrong: dict[str, Any], said: str, staff_client: Client, everyday: Recognizer
) -> None:
    answer = staff_client.post(KEEP, OWN | wrong)

    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert answer.content.decode().count("checked") == len({"clock", "teapot"} & set((OWN | wrong)["kept"]))
    assert Recognizer.objects.count() == 1
