"""The training form, made from TrainingConfig: a setting added there appears here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from training.config.choices import NETWORKS
from training.config.presets import BALANCED
from training.config.values import ConfigField, is_relevant, type_of
from training.errors import TooFewPictures, WrongConfig
from training.models import Recognizer, Worker
from training.runs.requests import KEPT_BY_SELECTION, RunRequest, check_mirroring, starting_config
from webapp.forms.looks import WithLooks, dress
from webapp.presenters.plans import Plan
from webapp.presenters.preset_names import PRESETS
from webapp.presenters.setting_names import CHOICES, SETTINGS, in_words, said_value, settings_of

GROUPS = {
    _("Pictures"): ("image_size", "augmentation", "augmentation_strength", "mixup", "views"),
    _("Network"): (
        *(
            "pretrained",
            "linear_probe",
            "beside_start",
            "companion",
            "fine_tune",
            "hidden_units",
            "filters",
            "convolutions",
            "kernel_size",
            "stride",
            "padding",
        ),
        *("pooling", "activation", "initialization", "batch_normalization", "dropout", "auxiliary_weight"),
    ),
    _("Learning"): (
        *("batch_size", "learning_rate", "fine_tune_learning_rate", "fine_tune_batch_norm", "schedule", "warm_up"),
        *("rate_factor", "rate_patience", "optimizer", "momentum", "weight_decay", "weight_averaging", "loss"),
        *("label_smoothing", "class_weights", "precision"),
    ),
    _("Length"): ("epochs", "head_epochs", "final_epochs", "early_stopping"),
    _("Chance"): ("seed",),
}


@dataclass(frozen=True)
class Setting:
    """A field of the form with what its place on the page says beside it."""

    field: forms.BoundField
    unit: str
    when: str  # JSON: the values of other settings beside which it means something; empty where it always does


class TrainingForm(WithLooks, forms.Form):
    """A preset, a network or none, and the network's settings; what means nothing beside the others is passed over."""

    preset = forms.ChoiceField(choices=list(PRESETS.items()), required=False, widget=forms.HiddenInput)
    network = forms.ChoiceField(choices=[(name, name) for name in NETWORKS], required=False, widget=forms.HiddenInput)
    needs_gpu = forms.BooleanField(label=_("Wait for a GPU"), required=False)
    publish_when_done = forms.BooleanField(
        label=_("Publish when done"),
        required=False,
        help_text=_("Visitors get the new version as soon as it is trained, however good it is."),
    )

    def __init__(self, *args: Any, recognizer: Recognizer, start: RunRequest, **kwargs: Any) -> None:
        """`start` says preset and network, and the values a person finds filled in."""
        super().__init__(*args, **kwargs)
        self.recognizer = recognizer
        self.start = start
        self.initial = {
            **self.initial,
            "preset": start.preset,
            "network": "" if start.is_network_open else start.config.network,
        }
        self.fields["needs_gpu"].help_text = what_a_gpu_run_meets()
        usual = starting_config(recognizer, start.preset, start.config.network)
        for each in self.settings:
            self.fields[each.name] = dress(form_field(each, getattr(start.config, each.name)))
            self.fields[each.name].help_text = f"{_(each.metadata['help'])} {_said_default(each, usual)}"

    @property
    def settings(self) -> list[ConfigField]:
        """Those that are asked for; network selection settles most of them itself."""
        own = settings_of(self.start.config.network)
        return [each for each in own if each.name in KEPT_BY_SELECTION] if self.start.is_network_open else own

    @cached_property
    def plan(self) -> Plan:
        """Raises: TooFewPictures."""
        return Plan.of(self.recognizer)

    def clean(self) -> None:
        self._pass_over_what_means_nothing()
        if self.errors:
            return
        try:
            check_mirroring(self.recognizer, self.request().config)
            self.plan  # noqa: B018
        except WrongConfig as error:
            name = error.params.get("name")
            self.add_error(name if name in self.fields else None, in_words(str(error)))
        except TooFewPictures as error:
            self.add_error(None, str(error))

    def _pass_over_what_means_nothing(self) -> None:
        """Beside the chosen optimizer, schedule or loss; without scripts such fields are on the page all the same."""
        chosen = self.start.config.to_dict() | self.cleaned_data | {"network": self.start.config.network}
        for each in self.settings:
            if not is_relevant(each, chosen):
                self.errors.pop(each.name, None)
                self.cleaned_data.pop(each.name, None)

    def request(self) -> RunRequest:
        """Raises: WrongConfig."""
        asked = {each.name: self.cleaned_data[each.name] for each in self.settings if each.name in self.cleaned_data}
        return replace(self.start, config=self.start.config.settled(asked))

    def groups(self) -> Iterator[tuple[str, list[Setting]]]:
        """The settings that are asked for, under their headings."""
        asked = {each.name: each for each in self.settings}
        for title, names in GROUPS.items():
            settings = [self._setting(asked[name]) for name in names if name in asked]
            if settings:
                yield str(title), settings

    def _setting(self, each: ConfigField) -> Setting:
        unit, when = each.metadata["unit"], each.metadata["when"]
        return Setting(self[each.name], gettext(unit) if unit else "", json.dumps(when) if when else "")

    @property
    def preset_in_use(self) -> str:
        """That of the links to other networks; a run that began from none is changed from the usual one."""
        return self.start.preset or BALANCED


def what_a_gpu_run_meets() -> str:
    """Whether a worker with a GPU is there; a run may ask for one all the same."""
    worker = Worker.objects.alive().with_gpu().first()
    if worker is None:
        return gettext("No worker with a GPU is running now: the run would wait until one starts.")
    return gettext("Only a worker with a GPU takes the run. One is running: %(device)s on %(host)s.") % {
        "device": worker.device,
        "host": worker.host,
    }


def _said_default(each: ConfigField, usual: Any) -> str:
    return gettext("Default: %(value)s.") % {"value": said_value(getattr(usual, each.name))}


def form_field(each: ConfigField, value: Any) -> forms.Field:
    """The field for one setting. What a value may be is checked by TrainingConfig; the browser is told as well."""
    label, meaning = SETTINGS.get(each.name, each.name), each.metadata["help"]
    about = {"label": label, "help_text": _(meaning), "initial": value}
    choices = [(choice, CHOICES.get(choice, choice)) for choice in each.metadata["choices"]]
    kind = type_of(each)
    if kind is bool:
        return forms.BooleanField(required=False, **about)
    if kind is tuple and choices:
        return forms.MultipleChoiceField(
            choices=choices, required=False, widget=forms.CheckboxSelectMultiple, **about | {"initial": list(value)}
        )
    if kind is tuple:
        return forms.CharField(**about | {"initial": ", ".join(map(str, value))})
    if choices:
        return forms.ChoiceField(choices=choices, **about)
    limits = {"min": each.metadata["minimum"], "max": each.metadata["maximum"]}
    if kind is int:
        return forms.IntegerField(widget=forms.NumberInput(limits), **about)
    return forms.FloatField(widget=forms.NumberInput(limits | {"step": "any"}), **about)
