"""What the forms and the pages call things."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest
from django.utils import timezone

from training.config import NETWORKS, TrainingConfig
from training.models import TrainingRun
from webapp import setting_names
from webapp.forms.training import MAIN_SETTINGS, TrainingForm
from webapp.templatetags.figures import duration_of


def test_every_setting_and_network_has_a_name():
    assert {each.name for each in fields(TrainingConfig)} <= set(setting_names.SETTINGS)
    assert set(NETWORKS) == set(setting_names.NETWORKS)


@pytest.mark.django_db
@pytest.mark.parametrize("network", NETWORKS)
def test_a_form_asks_once_for_everything_a_network_uses(recognizer, network):
    form = TrainingForm(recognizer=recognizer, start=TrainingConfig.for_network(network))

    asked = [field.name for field in [*form.main_fields(), *form.more_fields()]]

    assert sorted(asked) == sorted(each.name for each in setting_names.settings_of(network))
    assert asked[: len(MAIN_SETTINGS)] == list(MAIN_SETTINGS)


@pytest.mark.django_db
@pytest.mark.parametrize("network", NETWORKS)
def test_a_form_sent_back_untouched_gives_the_networks_defaults(recognizer, add_pictures, network):
    add_pictures(recognizer, label="circle", count=5)
    add_pictures(recognizer, label="square", count=5)
    start = TrainingConfig.for_network(network)
    untouched = TrainingForm(recognizer=recognizer, start=start)
    sent = {field.name: field.value() for field in untouched}

    form = TrainingForm(sent, recognizer=recognizer, start=start)

    assert form.is_valid(), form.errors
    assert form.config() == start


def test_stored_settings_are_said_as_the_form_says_them():
    config = TrainingConfig.for_network("mlp", {"hidden_units": (64, 32)}).to_dict()

    said = {str(name): str(value) for name, value in setting_names.said(config)}

    assert said["Network"] == "MLP"
    assert said["Hidden units"] == "64, 32"
    assert "Filters" not in said


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "5 s"), (65, "1 min 5 s"), (3 * 3600 + 125, "3 h 2 min"), (None, "")]
)
def test_a_duration_is_said_in_its_two_largest_units(seconds, said):
    now = timezone.now()
    run = TrainingRun(started_at=now, ended_at=None if seconds is None else now + timedelta(seconds=seconds))

    assert duration_of(run) == said
