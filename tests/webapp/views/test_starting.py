"""Before a run begins: presets, a network or the choice of one, and what is known of the training."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from training.config import TrainingConfig
from training.config.presets import PRESETS, preset_config
from training.models import Job, TrainingRun
from training.runs.requests import RunRequest
from webapp.presenters.cautions import cautions
from webapp.presenters.dry_runs import ask_for_dry_run, digest_of, find, is_welcome
from webapp.presenters.estimates import DRAWN_POINTS, TABLE_ROWS, Estimate
from webapp.presenters.networks import other_networks, usual_networks
from webapp.presenters.plans import Plan, SmallClass
from webapp.presenters.setting_names import NETWORKS

pytestmark = pytest.mark.django_db
PAGE = "/manage/shapes/train/"
RESULT = {"seconds_per_step": 0.5, "expected_seconds": 95, "largest_batch": 64, "device": "A CPU"}


@pytest.fixture
def measured(trainable: Any, staff: User) -> Any:
    """Asks for a dry run and ends it at once with a result."""

    def make(request: Any, **result: Any) -> Any:
        job = ask_for_dry_run(trainable, request, 10, staff)
        Job.objects.filter(pk=job.pk).update(
            state=Job.State.DONE, ended_at=timezone.now(), lease=1, result=RESULT | result
        )
        return job

    return make


def page_of(client: Client, query: Any = "") -> Any:
    return unescape(client.get(f"{PAGE}{query}").content.decode())


def fields_on(page: str) -> Any:
    """What a browser would send of a page, but for its boxes: what is hidden, filled in and selected."""
    filled = dict(re.findall(r'<input type="(?:hidden|number|text)" name="(\w+)" value="([^"]*)"', page))
    selected = dict(re.findall(r'<select name="(\w+)".*?<option value="(\w+)" selected', page, re.DOTALL))
    return filled | selected


def chosen(page: str) -> Any:
    return re.findall(r'aria-current="true">\s*<strong>([^<]+)', page)


# --- presets
def test_the_presets_come_first_and_balanced_with_a_choice_of_networks_is_usual(
    staff_client: Client, trainable: Any
) -> None:
    page = page_of(staff_client)

    assert chosen(page) == ["Balanced", "Let it choose"]
    assert page.index("How thoroughly") < page.index("Start training") < page.index("Network")
    assert "Good enough to try" in page


def test_a_preset_says_what_it_means_to_a_network_that_starts_from_nothing(
    staff_client: Client, trainable: Any
) -> None:
    page = page_of(staff_client, "?preset=quick&network=mlp")

    assert f"learns from nothing, in {preset_config('quick', 'mlp').epochs} epochs" in page


def test_a_preset_without_a_network_starts_a_run_that_chooses_one(staff_client: Client, trainable: Any) -> None:
    staff_client.post(PAGE, fields_on(page_of(staff_client, "?preset=quick")))

    run = trainable.runs.get()
    assert (run.preset, run.is_network_open) == ("quick", True)


def test_a_preset_of_a_network_starts_a_run_with_its_settings(staff_client: Client, trainable: Any) -> None:
    sent = fields_on(page_of(staff_client, "?preset=thorough&network=mlp")) | {"batch_normalization": "on"}

    answer = staff_client.post(PAGE, sent)

    run = trainable.runs.get()
    assert answer.headers["Location"] == f"/manage/runs/{run.pk}/"
    assert (run.preset, run.is_network_open) == ("thorough", False)
    assert run.training_config == preset_config("thorough", "mlp").settled({})


def test_a_form_with_neither_preset_nor_network_is_the_usual_request(staff_client: Client, trainable: Any) -> None:
    staff_client.post(PAGE, {"seed": 3, "precision": "auto"})

    run = trainable.runs.get()
    assert (run.is_network_open, run.config["seed"]) == (True, 3)


def test_no_preset_offers_a_flip_where_a_mirrored_picture_shows_something_else(
    staff_client: Client, trainable: Any
) -> None:
    trainable.is_mirror_safe = False
    trainable.save()

    page = page_of(staff_client, "?preset=balanced&network=cnn")

    assert 'value="flip" class="form-check-input" id' in page
    assert not re.search(r'value="flip"[^>]* checked', page)


def test_an_earlier_run_fills_the_form_with_its_preset_and_settings(staff_client: Client, trainable: Any) -> None:
    config = TrainingConfig.for_network("cnn", {"epochs": 77})
    run = trainable.runs.create(config=config.to_dict(), preset="thorough")

    page = page_of(staff_client, f"?from={run.pk}")

    assert chosen(page) == ["Thorough", "CNN"]
    assert fields_on(page)["epochs"] == "77"
    assert '<details class="more mb-3" open>' in page


def test_an_earlier_run_whose_network_is_open_leads_to_a_choice_again(staff_client: Client, trainable: Any) -> None:
    request = RunRequest.of(trainable, preset="quick")
    run = trainable.runs.create(**request.values())

    assert chosen(page_of(staff_client, f"?from={run.pk}")) == ["Quick", "Let it choose"]


def test_a_refused_form_keeps_what_was_typed(staff_client: Client, trainable: Any) -> None:
    sent = fields_on(page_of(staff_client, "?preset=balanced&network=cnn")) | {"filters": "7, 9, x", "seed": "123"}

    answer = staff_client.post(PAGE, sent)

    page = unescape(answer.content.decode())
    assert answer.status_code == 400
    assert "Something is not right yet" in page  # the setting itself may be far below
    assert (fields_on(page)["filters"], fields_on(page)["seed"]) == ("7, 9, x", "123")
    assert '<details class="more mb-3" open>' in page


# --- what is known before the start
def test_a_newcomer_sees_cards_and_a_button_and_no_settings(staff_client: Client, trainable: Any) -> None:
    page = page_of(staff_client)

    first_screen, settings = page.split('<details class="more mb-3" >')
    assert "Start training" in first_screen
    assert not re.search("epoch|batch|learning rate|ImageNet|CNN", first_screen[first_screen.index("<h1>") :])
    assert "Seed" in settings


@pytest.mark.parametrize("query", ["?network=cnn", "?network=", "?from=none"])
def test_settings_stay_open_for_who_is_at_them(staff_client: Client, trainable: Any, query: str) -> None:
    assert '<details class="more mb-3" open>' in page_of(staff_client, query)


def test_each_of_few_small_classes_has_a_sentence(trainable: Any) -> None:
    request = RunRequest.of(trainable, network="mlp")

    assert cautions(Plan.of(trainable), request) == [
        "“Circle” has 5 pictures; with 20 or more its answers become reliable.",
        "“Square” has 5 pictures; with 20 or more its answers become reliable.",
    ]


def test_many_small_classes_share_a_sentence(trainable: Any) -> None:
    plan = replace(Plan.of(trainable), small_classes=[SmallClass(f"bird {i}", 4) for i in range(11)])

    (sentence,) = cautions(plan, RunRequest.of(trainable, network="mlp"))

    assert sentence.startswith("11 classes have few pictures: bird 0 (4), bird 1 (4)")
    assert "bird 9 (4) …." in sentence
    assert "bird 10" not in sentence


def test_a_download_is_said_beforehand(trainable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(Plan.of(trainable), small_classes=[], num_validation=2)
    monkeypatch.setattr("webapp.presenters.cautions.are_at_hand", lambda network, image_size: False)

    (said,) = cautions(plan, RunRequest.of(trainable, preset="quick", network="resnet50"))

    assert "What ResNet50 knows of photos is not on this machine yet" in said
    assert cautions(plan, RunRequest.of(trainable, preset="quick")) == []  # only what is at hand is tried
    assert cautions(plan, RunRequest.of(trainable, preset="quick", network="mlp")) == []


def test_that_there_are_no_pictures_to_choose_by_is_said_beforehand(trainable: Any) -> None:
    plan = replace(Plan.of(trainable), small_classes=[], num_validation=0)

    (said,) = cautions(plan, RunRequest.of(trainable, network="mlp"))

    assert "too few pictures to choose the best epoch by" in said
    assert cautions(plan, RunRequest.of(trainable, preset="quick")) == []


def test_every_network_is_offered_once_with_what_it_is_good_for() -> None:
    others = other_networks()

    names = [each.name for each in usual_networks()] + [each.name for family in others for each in family.networks]
    assert sorted(names) == sorted(NETWORKS)
    assert all([each.use for each in usual_networks()] + [each.use for each in others])


def test_steps_and_the_largest_batch_stand_among_the_settings(staff_client: Client, trainable: Any) -> None:
    page = page_of(staff_client, "?preset=quick&network=mlp")

    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd[^>]*>([^<]+)</dd>", page[page.index('<section class="estimate"') :]))
    assert facts == {
        "Expected time": "not measured yet",
        "Steps": f"1 an epoch, {preset_config('quick', 'mlp').epochs} in all",
        "Largest batch that fits in memory": "–",
    }


def test_the_learning_rate_is_said_in_figures_for_browsers_without_scripts(
    staff_client: Client, trainable: Any
) -> None:
    page = page_of(staff_client, "?preset=quick&network=mlp")

    rows = re.findall(r'<td>([\d.]+)</td><td class="number">([\d.e+-]+)</td>', page)
    assert 2 <= len(rows) <= TABLE_ROWS
    assert rows[0][0] == "0.0"


def test_the_curve_has_few_points_from_the_first_step_to_the_last(trainable: Any) -> None:
    request = RunRequest.of(trainable, network="cnn", settings={"batch_size": 1, "epochs": 1000})

    curve = Estimate(request, Plan.of(trainable)).curve

    assert len(curve) == DRAWN_POINTS
    assert curve[0][0] == 0
    assert 999 < curve[-1][0] < 1000


def test_the_curve_falls_as_the_schedule_says(trainable: Any) -> None:
    settings = {"schedule": "step", "rate_patience": 2, "rate_factor": 0.1, "learning_rate": 0.1, "epochs": 4}
    request = RunRequest.of(trainable, network="cnn", settings=settings)

    curve = Estimate(request, Plan.of(trainable)).curve

    assert [rate for _epoch, rate in curve] == pytest.approx([0.1, 0.1, 0.01, 0.01])


# --- the estimate, as the script asks for it
def test_the_estimate_follows_the_form(staff_client: Client, trainable: Any) -> None:
    sent = fields_on(page_of(staff_client, "?preset=quick&network=lenet5"))
    changes = {"epochs": 5, "batch_size": 2, "schedule": "constant", "learning_rate": 0.25}

    answer = staff_client.get(f"{PAGE}estimate/", sent | changes).json()

    assert answer["steps"] == "3 an epoch, 15 in all"
    assert {point["y"] for point in answer["curve"]} == {0.25}
    assert not Job.objects.exists()


def test_a_form_that_is_wrong_has_no_estimate_but_says_why(staff_client: Client, trainable: Any) -> None:
    sent = fields_on(page_of(staff_client, "?preset=quick&network=mlp")) | {"epochs": 0}

    assert "expected 1 … 1000" in staff_client.get(f"{PAGE}estimate/", sent).json()["refused"]


def test_estimates_are_for_staff(client: Client, trainable: Any) -> None:
    assert client.get(f"{PAGE}estimate/").headers["Location"].startswith("/login/")


def test_the_script_asks_for_a_dry_run(
    staff_client: Client, trainable: Any, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    nudged = []
    monkeypatch.setattr(Job, "nudge", lambda job: nudged.append(job.pk))
    sent = fields_on(page_of(staff_client))

    with django_capture_on_commit_callbacks(execute=True):
        answer = staff_client.post(f"{PAGE}estimate/", sent).json()

    job = Job.objects.get()
    assert (answer["is_measuring"], answer["expected"], nudged) == (True, "waits to be measured …", [job.pk])
    assert job.kind == "dry_run"
    assert TrainingConfig.from_dict(job.params["config"]) == RunRequest.of(trainable, preset="balanced").config
    assert "These are the figures of EfficientNet-Lite0" in answer["stands_for"]


def test_the_button_asks_for_a_dry_run_without_scripts_and_keeps_the_form(staff_client: Client, trainable: Any) -> None:
    sent = fields_on(page_of(staff_client)) | {"seed": "31", "dry_run": "1"}

    answer = staff_client.post(PAGE, sent)

    page = unescape(answer.content.decode())
    assert (answer.status_code, Job.objects.count(), trainable.runs.count()) == (200, 1, 0)
    assert "to be measured" in page
    assert fields_on(page)["seed"] == "31"


def test_what_a_dry_run_measured_is_said(staff_client: Client, trainable: Any, measured: Any) -> None:
    measured(RunRequest.of(trainable, preset="quick"))

    page = page_of(staff_client, "?preset=quick")

    assert "about 2 min on A CPU" in page
    assert "64 pictures" in page
    assert re.search(r'data-text="time" role="status">about 2 min</span>', page)


def test_one_dry_run_says_the_times_of_all_presets_while_the_network_is_open(
    staff_client: Client, trainable: Any, measured: Any
) -> None:
    measured(RunRequest.of(trainable, preset="quick"), presets={"quick": 31, "balanced": 250, "thorough": 1195})

    page = page_of(staff_client, "?preset=balanced")
    estimate = staff_client.get(f"{PAGE}estimate/", fields_on(page)).json()

    assert re.search(r'data-time="thorough">about 20 min</span>', page)
    assert re.search(r'data-text="time" role="status">about 4 min</span>', page)
    assert estimate["times"] == {"quick": "about 30 s", "balanced": "about 4 min", "thorough": "about 20 min"}
    assert estimate["time"] == "about 4 min"


def test_of_a_network_of_ones_own_each_preset_is_measured_by_itself(
    staff_client: Client, trainable: Any, measured: Any
) -> None:
    measured(RunRequest.of(trainable, preset="thorough", network="cnn"), expected_seconds=1195)

    page = page_of(staff_client, "?preset=quick&network=cnn")

    assert re.search(r'data-time="thorough">about 20 min</span>', page)
    assert page.count("about ") == 1


def test_a_batch_that_does_not_fit_is_said_before_it_fails(trainable: Any, measured: Any) -> None:
    request = RunRequest.of(trainable, preset="quick")
    job = measured(request, largest_batch=8)
    job.refresh_from_db()

    assert "only about 8 pictures at a time fit in memory" in Estimate(request, Plan.of(trainable), job).problem


def test_a_dry_run_that_failed_says_why_and_may_be_asked_for_again(
    staff_client: Client, staff: User, trainable: Any
) -> None:
    request = RunRequest.of(trainable, preset="quick")
    job = ask_for_dry_run(trainable, request, 10, staff)
    Job.objects.update(
        state=Job.State.FAILED, ended_at=timezone.now(), error_sentence={"template": "Out of memory.", "params": {}}
    )

    page = page_of(staff_client, "?preset=quick")
    assert 'role="status">could not be measured</dd>' in page
    assert 'role="status">Out of memory.</p>' in page
    assert ask_for_dry_run(trainable, request, 10, staff) != job


# --- dry runs
def test_a_dry_run_of_the_same_settings_and_pictures_is_not_made_twice(
    trainable: Any, measured: Any, staff: User
) -> None:
    config = TrainingConfig.for_network("cnn")
    job = measured(RunRequest(config))

    assert ask_for_dry_run(trainable, RunRequest(config.changed({"seed": 9})), 10, staff) == job
    assert find(trainable, RunRequest(config), 11) is None
    assert digest_of(RunRequest(config), 10) != digest_of(RunRequest(config.changed({"batch_size": 3})), 10)


def test_asking_for_another_dry_run_ends_the_one_that_waits(trainable: Any, staff: User) -> None:
    cnn, mlp = (RunRequest(TrainingConfig.for_network(name)) for name in ("cnn", "mlp"))
    first = ask_for_dry_run(trainable, cnn, 10, staff)

    ask_for_dry_run(trainable, mlp, 10, staff)

    first.refresh_from_db()
    assert first.state == Job.State.CANCELLED
    assert find(trainable, cnn, 10) is None


def test_the_page_measures_by_itself_only_where_nothing_else_is_at_work(
    staff_client: Client, trainable: Any, staff: User
) -> None:
    assert "data-measures" in page_of(staff_client)
    trainable.runs.create(
        config=TrainingConfig().to_dict(), state=TrainingRun.State.TRAINING, lease=1, heartbeat=timezone.now()
    )

    assert not is_welcome(trainable)
    assert "data-measures" not in page_of(staff_client)


def test_a_job_that_waits_goes_before_a_dry_run(trainable: Any) -> None:
    Job.objects.create(recognizer=trainable, kind=Job.Kind.REVIEW)

    assert not is_welcome(trainable)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_page_asks_few_questions(
    staff_client: Client, trainable: Any, preset: Any, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(16):
        staff_client.get(f"{PAGE}?preset={preset}")
