"""What the forms and the pages call things."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from training.config import TrainingConfig
from training.config.choices import NETWORKS
from training.errors import WrongConfig
from training.models import Recognizer, TrainingRun
from training.runs.requests import RunRequest
from webapp.forms.training import TrainingForm
from webapp.presenters import setting_names
from webapp.templatetags.figures import duration_of


def test_every_setting_and_network_has_a_name() -> None:
    assert {each.name for each in fields(TrainingConfig)} <= set(setting_names.SETTINGS)
    assert set(NETWORKS) == set(setting_names.NETWORKS)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("epochs is “0”; expected 1 … 1000.", "“Epochs” is “0”; expected 1 … 1000."),
        ("There are only 5 epochs.", "There are only 5 epochs."),
        ("A larger image_size, or fewer filters.", "A larger “Image size”, or fewer filters."),
        ("Put mobilenet_v2_image_size.h5 there.", "Put mobilenet_v2_image_size.h5 there."),
    ],
)
def test_an_error_calls_settings_what_the_form_calls_them(sentence: Any, said: Any) -> None:
    assert setting_names.in_words(sentence) == said


def test_an_error_calls_settings_what_the_form_calls_them_in_chinese() -> None:
    with translation.override("zh-hans"):
        error = str(WrongConfig("%(name)s is “%(value)s”; expected %(expected)s.", name="epochs", value=0, expected=1))
        assert setting_names.in_words(error) == "“轮数” 为“0”，应为 1。"


def request_for(recognizer: Recognizer, network: Any, **settings: Any) -> Any:
    return RunRequest.of(recognizer, network=network, settings=settings)


def sent_by(form: Any, **changes: Any) -> Any:
    """What a browser without scripts sends back: every field that is on the page."""
    return {field.name: field.value() for field in form} | changes


@pytest.mark.django_db
@pytest.mark.parametrize("network", NETWORKS)
def test_a_form_asks_once_for_everything_a_network_uses(recognizer: Recognizer, network: Any) -> None:
    form = TrainingForm(recognizer=recognizer, start=request_for(recognizer, network))

    asked = [setting.field.name for _title, settings in form.groups() for setting in settings]

    assert sorted(asked) == sorted(each.name for each in setting_names.settings_of(network))


@pytest.mark.django_db
@pytest.mark.parametrize("network", NETWORKS)
def test_a_form_sent_back_untouched_gives_the_networks_defaults(trainable: Any, network: Any) -> None:
    start = request_for(trainable, network)
    untouched = TrainingForm(recognizer=trainable, start=start)

    form = TrainingForm(sent_by(untouched), recognizer=trainable, start=start)

    assert form.is_valid(), form.errors
    assert form.request() == start


@pytest.mark.django_db
def test_a_form_whose_network_is_open_asks_only_for_what_the_race_keeps(trainable: Any) -> None:
    start = RunRequest.of(trainable, preset="quick")
    untouched = TrainingForm(recognizer=trainable, start=start)

    form = TrainingForm(sent_by(untouched, seed=5), recognizer=trainable, start=start)

    assert [setting.field.name for _title, settings in form.groups() for setting in settings] == ["precision", "seed"]
    assert form.is_valid(), form.errors
    assert form.request() == RunRequest.of(trainable, preset="quick", settings={"seed": 5})


@pytest.mark.django_db
def test_what_means_nothing_beside_the_others_is_passed_over_however_wrong(trainable: Any) -> None:
    start = request_for(trainable, "cnn", optimizer="adam", schedule="constant")
    untouched = TrainingForm(recognizer=trainable, start=start)

    form = TrainingForm(
        sent_by(untouched, momentum="much", rate_patience="", warm_up=7), recognizer=trainable, start=start
    )

    assert form.is_valid(), form.errors
    assert form.request().config.momentum == start.config.momentum


@pytest.mark.django_db
def test_smoothing_is_forgotten_where_the_loss_knows_none(trainable: Any) -> None:
    start = request_for(trainable, "cnn", label_smoothing=0.1)
    untouched = TrainingForm(recognizer=trainable, start=start)

    form = TrainingForm(sent_by(untouched, loss="mean_squared_error"), recognizer=trainable, start=start)

    assert form.is_valid(), form.errors
    assert form.request().config.label_smoothing == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("network", "changes", "field"),
    [
        ("cnn", {"filters": "8 8 8 8 8 8 8", "image_size": 32}, "filters"),
        ("mobilenetv2", {"fine_tune": "upper", "epochs": 3, "head_epochs": 5}, "head_epochs"),
        ("mobilenetv2", {"image_size": 16}, "image_size"),
    ],
)
def test_an_impossible_combination_is_refused_at_its_field_and_nothing_typed_is_lost(
    trainable: Any, network: Any, changes: Any, field: Any
) -> None:
    start = request_for(trainable, network)
    untouched = TrainingForm(recognizer=trainable, start=start)

    form = TrainingForm(sent_by(untouched, seed="77", **changes), recognizer=trainable, start=start)

    assert list(form.errors) == [field]
    assert (form["seed"].value(), form[field].value()) == ("77", changes[field])


@pytest.mark.django_db
def test_a_flip_is_refused_at_its_field_where_a_mirrored_picture_shows_something_else(trainable: Any) -> None:
    trainable.is_mirror_safe = False
    start = request_for(trainable, "cnn")
    untouched = TrainingForm(recognizer=trainable, start=start)
    assert "flip" not in untouched["augmentation"].value()

    form = TrainingForm(sent_by(untouched, augmentation=["flip"]), recognizer=trainable, start=start)

    assert "mirrored picture" in form.errors["augmentation"][0]


@pytest.mark.django_db
def test_a_setting_has_its_unit_its_default_and_when_it_means_something(recognizer: Recognizer) -> None:
    form = TrainingForm(recognizer=recognizer, start=request_for(recognizer, "cnn", image_size=48))

    settings = {setting.field.name: setting for _title, settings in form.groups() for setting in settings}

    assert settings["image_size"].unit == "pixels"
    assert settings["image_size"].field.help_text.endswith("Default: 96.")
    assert json.loads(settings["momentum"].when) == {"optimizer": ["momentum", "nesterov"]}


def test_stored_settings_are_said_as_the_form_says_them() -> None:
    config = TrainingConfig.for_network("mlp", {"hidden_units": (64, 32)}).to_dict()

    said = {str(name): str(value) for name, value in setting_names.said(config)}

    assert said["Network"] == "MLP"
    assert said["Hidden units"] == "64, 32"
    assert "Filters" not in said


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (65, "1 min 5 s"), (3 * 3600 + 125, "3 h 2 min"), (None, "")]
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: Any, said: Any) -> None:
    now = timezone.now()
    run = TrainingRun(started_at=now, ended_at=None if seconds is None else now + timedelta(seconds=seconds))

    assert duration_of(run) == said
