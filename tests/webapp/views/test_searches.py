from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.drawings import SHAPES
from tests.types import AddPictures
from training.config import TrainingConfig
from training.errors import WrongConfig
from training.models import Recognizer, Search, TrainingRun
from training.runs.search_requests import SearchRequest

BASE = TrainingConfig.for_network("cnn", {"epochs": 4})
NEW = "/manage/shapes/search/"


@pytest.fixture
def pictures(recognizer: Recognizer, add_pictures: AddPictures) -> None:
    for shape in SHAPES:
        add_pictures(recognizer, label=shape, count=5)


@pytest.fixture
def search(recognizer: Recognizer) -> Search:
    request = SearchRequest.of(
        recognizer, BASE, {"learning_rate": "0.001 .. 0.1", "optimizer": "sgd | adam"}, max_runs=10
    )
    return Search.objects.create(recognizer=recognizer, **request.values())


def trial(search: Search, number: int, value: float | None, **values: Any) -> TrainingRun:
    """An ended trial."""
    config = search.base.changed({"learning_rate": 0.01 * (number + 1), "optimizer": "sgd"}).to_dict()
    values = {"state": TrainingRun.State.SUCCEEDED, "lease": 1, "ended_at": timezone.now(), "config": config} | values
    return search.recognizer.runs.create(search=search, trial_number=number, value=value, **values)


def sent(**values: Any) -> dict[str, Any]:
    """What the form sends for a search of the learning rate, with some fields otherwise."""
    return {
        "network": "cnn",
        "epochs_of_each": 3,
        "use_learning_rate": "on",
        "learning_rate": "0.001 .. 0.1",
        "max_runs": 5,
    } | values


# --- asked for


@pytest.mark.usefixtures("pictures")
def test_the_form_offers_each_setting_with_a_range_to_try(staff_client: Client) -> None:
    page = staff_client.get(f"{NEW}?network=cnn").content.decode()

    assert 'name="use_dropout"' in page
    assert 'value="0.0001 .. 0.01"' in page
    assert 'name="use_seed"' not in page


@pytest.mark.usefixtures("pictures")
def test_a_search_begins_with_its_first_trial(
    staff_client: Client, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = staff_client.post(NEW, sent(use_optimizer="on", optimizer=["sgd", "adam"]))

    search = Search.objects.get()
    assert answer.headers["Location"] == f"/manage/searches/{search.pk}/"
    assert (search.max_runs, search.max_minutes, search.base.epochs) == (5, None, 3)
    assert search.space == {
        "learning_rate": {"low": 0.001, "high": 0.1, "is_log": True},
        "optimizer": {"choices": ["sgd", "adam"]},
    }
    assert search.trials.queued().count() == 1


@pytest.mark.usefixtures("pictures")
def test_a_search_may_begin_from_an_earlier_run(staff_client: Client, recognizer: Recognizer) -> None:
    run = recognizer.runs.create(config=BASE.changed({"dropout": 0.45}).to_dict())

    staff_client.post(NEW, sent(earlier=run.pk))

    assert Search.objects.get().base.dropout == 0.45


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"learning_rate": "0.1 .. 0.001"}, "from a smaller number to a larger one, not from 0.1 to 0.001"),
        ({"learning_rate": "0 .. 1"}, "“Learning rate” is “0.0”; expected 1e-07 … 10"),
        ({"learning_rate": "fast"}, "“Learning rate” is “fast”"),
        ({"learning_rate": "0.1"}, "give at least two different choices"),
        ({"use_learning_rate": ""}, "Nothing is searched"),
        ({"max_runs": ""}, "Give a number of trials, or of minutes, or both"),
        ({"use_optimizer": "on", "optimizer": ["sgd"]}, "“Optimizer”: give at least two different choices"),
        ({"use_optimizer": "on", "optimizer": ["sgd", "magic"]}, "magic is not one of the available choices"),
        ({"use_momentum": "on", "momentum": "0.8 .. 0.9"}, "“Momentum” changes nothing beside the other settings"),
        (
            {"use_image_size": "on", "image_size": "8 | 9", "use_filters": "on", "filters": "1,1,1,1,1 | 2,2,2,2,2"},
            "No combination of these can be trained",
        ),
    ],
)
def test_an_impossible_search_is_refused_with_the_reason(
    values: dict[str, Any], reason: str, staff_client: Client
) -> None:
    answer = staff_client.post(NEW, sent(**values))

    assert answer.status_code == 400
    assert reason in answer.content.decode().replace("&quot;", '"')
    assert not Search.objects.exists()


@pytest.mark.usefixtures("pictures")
def test_flips_are_not_tried_where_a_mirrored_picture_shows_something_else(
    staff_client: Client, recognizer: Recognizer
) -> None:
    Recognizer.objects.update(is_mirror_safe=False)

    answer = staff_client.post(NEW, sent(use_augmentation="on", augmentation="flip,zoom | -"))

    assert "a mirrored picture of this recognizer shows something else" in answer.content.decode()


def test_a_recognizer_without_pictures_is_not_searched(staff_client: Client, recognizer: Recognizer) -> None:
    assert "Add pictures" in staff_client.get(NEW).content.decode()
    assert staff_client.post(NEW, sent()).status_code == 400


# --- watched


def test_the_page_shows_each_trial_and_the_best(staff_client: Client, search: Search) -> None:
    trial(search, 0, 0.5)
    trial(search, 1, 0.75)
    trial(search, 2, 0.25, state=TrainingRun.State.PRUNED)

    page = staff_client.get(f"/manage/searches/{search.pk}/").content.decode()

    assert "in trial 2: the best so far" in page
    assert "75.0" in page
    assert "3 of at most 10 trials" in page
    points = json.loads(re.findall('data-points="([^"]*)"', page)[0].replace("&quot;", '"'))
    assert points[2] == {
        "number": 3,
        "value": 0.25,
        "is_whole": False,
        "tried": {"learning_rate": 0.03, "optimizer": "SGD"},
    }


def test_a_trial_that_could_not_be_trained_says_what_it_tried(staff_client: Client, search: Search) -> None:
    error = WrongConfig(
        "This combination cannot be trained: %(reason)s",
        reason="Too odd.",
        tried={"learning_rate": 0.0123, "optimizer": "adam"},
    )
    trial(search, 0, None, state=TrainingRun.State.FAILED, error_sentence=error.sentence)

    page = staff_client.get(f"/manage/searches/{search.pk}/").content.decode()

    assert "0.0123" in page
    assert "Too odd." in page


def test_the_page_follows_a_search_until_its_end(staff_client: Client, search: Search) -> None:
    url = f"/manage/searches/{search.pk}/"

    during = staff_client.get(url, headers={"HX-Request": "true"})
    search.request_cancel()
    after = staff_client.get(url, headers={"HX-Request": "true"})

    assert during.content.decode().lstrip().startswith("<div data-search")
    assert "HX-Refresh" not in during.headers
    assert after.headers["HX-Refresh"] == "true"
    assert "hx-get" not in after.content.decode()


def test_importances_are_shown_where_they_are_known(staff_client: Client, search: Search) -> None:
    search.add_importances({"learning_rate": 0.8, "optimizer": 0.2})

    page = staff_client.get(f"/manage/searches/{search.pk}/").content.decode()

    assert "How much each setting matters" in page
    assert Search.objects.get().search_space == search.search_space


def test_a_search_that_ended_leads_to_its_version(staff_client: Client, search: Search, version: Any) -> None:
    best = trial(search, 0, 0.5)
    Search.objects.update(state="done", ended_at=timezone.now(), best_run=best, final_run=version.run)

    page = staff_client.get(f"/manage/searches/{search.pk}/").content.decode()

    assert f"/manage/shapes/versions/{version.number}/" in page
    assert "of the pictures that neither it nor any trial ever saw" in page


def test_a_search_is_cancelled_once(staff_client: Client, search: Search) -> None:
    staff_client.post(f"/manage/searches/{search.pk}/cancel/")
    again = staff_client.post(f"/manage/searches/{search.pk}/cancel/", follow=True)

    assert Search.objects.get().state == Search.State.CANCELLED
    assert "The search had ended already." in again.content.decode()


@pytest.mark.usefixtures("pictures")
def test_the_recognizers_page_leads_to_its_searches_and_hides_their_trials(
    staff_client: Client, search: Search
) -> None:
    run = trial(search, 0, 0.5)

    page = staff_client.get("/manage/shapes/").content.decode()

    assert NEW in page
    assert f"/manage/searches/{search.pk}/" in page
    assert f"/manage/runs/{run.pk}/" not in page


@pytest.mark.parametrize("url", [NEW, "/manage/searches/1/"])
def test_searches_are_for_staff(url: str, client: Client) -> None:
    assert client.get(url).headers["Location"].startswith("/login/")


def test_the_list_of_runs_hides_trials_behind_their_search(staff_client: Client, search: Search) -> None:
    run = trial(search, 0, 0.5)

    page = staff_client.get("/manage/runs/").content.decode()

    assert f"/manage/searches/{search.pk}/" in page
    assert f"/manage/runs/{run.pk}/" not in page


def test_the_page_of_a_trial_leads_to_its_search(staff_client: Client, search: Search) -> None:
    run = trial(search, 3, 0.5)

    page = staff_client.get(f"/manage/runs/{run.pk}/").content.decode()

    assert "Trial 4." in page
    assert f"/manage/searches/{search.pk}/" in page


def test_the_address_it_had_as_a_study_leads_to_a_search(staff_client: Client, search: Search) -> None:
    answer = staff_client.get(f"/manage/studies/{search.pk}/?from=mail")

    assert answer.status_code == 301
    assert answer.headers["Location"] == f"/manage/searches/{search.pk}/?from=mail"


def test_a_page_that_was_open_before_still_cancels_its_search(staff_client: Client, search: Search) -> None:
    answer = staff_client.post(f"/manage/studies/{search.pk}/cancel/")

    assert answer.headers["Location"] == f"/manage/searches/{search.pk}/"
    assert Search.objects.get().state == Search.State.CANCELLED


# --- the API


def test_a_search_is_started_followed_and_cancelled_over_the_api(staff_client: Client, recognizer: Recognizer) -> None:
    space = {"learning_rate": {"low": 0.001, "high": 0.1}, "optimizer": {"choices": ["sgd", "adam"]}}
    asked = {"network": "cnn", "settings": {"epochs": 3}, "space": space, "max_runs": 4}

    begun = staff_client.post("/api/v1/recognizers/shapes/searches", asked, content_type="application/json")
    trial(Search.objects.get(), 0, 0.5)
    told = staff_client.get(f"/api/v1/searches/{begun.json()['id']}").json()
    cancelled = [staff_client.post(f"/api/v1/searches/{told['id']}/cancel") for _ in range(2)]

    assert begun.status_code == 201
    assert (told["state"], told["best_trial"], told["trials"][0]["value"]) == ("searching", 1, 0.5)
    assert told["space"]["learning_rate"] == {"low": 0.001, "high": 0.1, "is_log": True}
    assert [answer.status_code for answer in cancelled] == [200, 409]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"space": {"dropout": {"low": 0, "high": 0.5}}}, "The search has no end"),
        ({"space": {"seed": "1 | 2"}, "max_runs": 3}, "“seed” cannot be searched"),
        ({"space": {"dropout": 3}, "max_runs": 3}, "dropout: expected choices such as"),
        ({"space": {"dropout": "0 .. 0.5"}, "max_runs": 0}, "max_runs is “0”; expected 1 … 1000"),
        ({"space": {"dropout": "0 .. 0.5"}, "max_runs": 3, "preset": "quick"}, "A search needs a network"),
    ],
)
def test_a_wrong_search_is_refused_over_the_api(
    asked: dict[str, Any], reason: str, staff_client: Client, recognizer: Recognizer
) -> None:
    answer = staff_client.post("/api/v1/recognizers/shapes/searches", asked, content_type="application/json")

    assert answer.status_code == 400
    assert reason in answer.json()["detail"]


def test_the_api_answers_exactly_alike_where_a_search_was_called_a_study(
    staff_client: Client, recognizer: Recognizer
) -> None:
    space = {"learning_rate": {"low": 0.001, "high": 0.1}, "optimizer": {"choices": ["sgd", "adam"]}}
    asked = {"network": "cnn", "settings": {"epochs": 3}, "space": space, "max_runs": 4}

    now, before = (through_its_life(staff_client, word, asked) for word in ("searches", "studies"))

    assert now == before
    assert [status for status, _ in now] == [201, 200, 200, 409, 404, 400, 404]


def through_its_life(client: Client, word: str, asked: dict[str, Any]) -> list[tuple[int, Any]]:
    """What the API answers under one of the two words, without what two searches cannot have in common."""
    starting = f"/api/v1/recognizers/shapes/{word}"
    begun = client.post(starting, asked, content_type="application/json")
    one = f"/api/v1/{word}/{begun.json()['id']}"
    answers = [begun, client.get(one), client.post(f"{one}/cancel"), client.post(f"{one}/cancel")]
    answers += [
        client.get(f"/api/v1/{word}/999999"),
        client.post(starting, {**asked, "space": {}}, content_type="application/json"),
        client.post(f"/api/v1/recognizers/birds/{word}", asked, content_type="application/json"),
    ]
    own = {"id", "created_at", "ended_at"}
    return [
        (each.status_code, {key: value for key, value in each.json().items() if key not in own}) for each in answers
    ]


@pytest.mark.parametrize("word", ["searches", "studies"])
def test_the_api_of_searches_is_for_staff(word: str, client: Client, search: Search) -> None:
    assert client.get(f"/api/v1/{word}/{search.pk}").status_code == 401


def test_the_description_of_the_api_has_one_word_for_a_search(client: Client) -> None:
    described = client.get("/api/v1/openapi.json").content.decode()

    assert "/api/v1/searches/{pk}" in described
    assert "stud" not in described.lower()
