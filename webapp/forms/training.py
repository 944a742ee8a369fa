"""The training form, made from TrainingConfig: a setting added there appears here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from training.config import NETWORKS, ConfigField, TrainingConfig, type_of
from training.errors import TooFewPictures, WrongConfig
from training.models import Recognizer, Worker
from webapp.forms.looks import WithLooks, dress
from webapp.plans import Plan
from webapp.setting_names import CHOICES, SETTINGS, settings_of

MAIN_SETTINGS = ("epochs", "image_size", "batch_size", "learning_rate", "augmentation")


class TrainingForm(WithLooks, forms.Form):
    """The settings of one run; only those that mean something to its network are asked for."""

    network = forms.ChoiceField(choices=[(name, name) for name in NETWORKS], widget=forms.HiddenInput)
    needs_gpu = forms.BooleanField(label=_("Wait for a GPU"), required=False)
    publish_when_done = forms.BooleanField(
        label=_("Publish when done"),
        required=False,
        help_text=_("Visitors get the new version as soon as it is trained, however good it is."),
    )

    def __init__(self, *args: Any, recognizer: Recognizer, start: TrainingConfig, **kwargs: Any) -> None:
        """`start` says the network, and the values a person finds filled in."""
        super().__init__(*args, **kwargs)
        self.recognizer = recognizer
        self.start = start
        self.initial["network"] = start.network
        self.fields["needs_gpu"].help_text = what_a_gpu_run_meets()
        for each in settings_of(start.network):
            self.fields[each.name] = dress(form_field(each, getattr(start, each.name)))

    def clean(self) -> None:
        if self.errors:
            return
        try:
            Plan.of(self.recognizer, self.config())
        except WrongConfig as error:
            name = error.params.get("name")
            self.add_error(name if name in self.fields else None, str(error))
        except TooFewPictures as error:
            self.add_error(None, str(error))

    def config(self) -> TrainingConfig:
        """Raises: WrongConfig."""
        return self.start.changed({each.name: self.cleaned_data[each.name] for each in settings_of(self.start.network)})

    def main_fields(self) -> Iterable[forms.BoundField]:
        return [self[name] for name in MAIN_SETTINGS]

    def more_fields(self) -> Iterable[forms.BoundField]:
        return [self[each.name] for each in settings_of(self.start.network) if each.name not in MAIN_SETTINGS]


def what_a_gpu_run_meets() -> str:
    """Whether a worker with a GPU is there; a run may ask for one all the same."""
    worker = Worker.objects.alive().with_gpu().first()
    if worker is None:
        return gettext("No worker with a GPU is running now: the run would wait until one starts.")
    return gettext("Only a worker with a GPU takes the run. One is running: %(device)s on %(host)s.") % {
        "device": worker.device,
        "host": worker.host,
    }


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
