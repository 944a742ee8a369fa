"""The form of a search: which settings are tried, over which ranges, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from training.config import TrainingConfig
from training.config.choices import NETWORKS
from training.config.search_space import (
    LOGARITHMIC,
    Choices,
    Part,
    SearchSpace,
    checked_part,
    read_part,
    settings_to_search,
    suggested,
)
from training.config.values import ConfigField, type_of
from training.errors import TooFewPictures, WrongConfig
from training.models import Recognizer
from training.runs.search_requests import MOST_MINUTES, MOST_RUNS, SearchRequest, check_search
from webapp.forms.looks import WithLooks, dress
from webapp.forms.training import what_a_gpu_run_meets
from webapp.presenters.plans import Plan
from webapp.presenters.preset_names import PRESETS
from webapp.presenters.setting_names import CHOICES, SETTINGS, in_words

MAIN_SETTINGS = ("learning_rate", "fine_tune_learning_rate", "batch_size", "dropout", "weight_decay", "optimizer")
TICKED = ("learning_rate", "dropout")
USE = "use_"  # before a setting's name: the field that says whether it is tried


@dataclass(frozen=True)
class Tried:
    """A setting that may be tried: whether, and over what; a yes or no has nothing more to say."""

    use: forms.BoundField
    over: forms.BoundField | None


class SearchForm(WithLooks, forms.Form):
    """What every trial begins from is settled before; asked for are the settings tried around it, and the budget."""

    network = forms.ChoiceField(choices=[(name, name) for name in NETWORKS], required=False, widget=forms.HiddenInput)
    preset = forms.ChoiceField(choices=list(PRESETS.items()), required=False, widget=forms.HiddenInput)
    earlier = forms.IntegerField(required=False, widget=forms.HiddenInput)
    epochs_of_each = forms.IntegerField(
        label=_("Epochs of each trial"),
        min_value=1,
        max_value=1000,
        widget=forms.NumberInput({"min": 1, "max": 1000}),
        help_text=_("Fewer epochs let more combinations be tried in the same time."),
    )
    max_runs = forms.IntegerField(
        label=_("At most so many trials"),
        min_value=1,
        max_value=MOST_RUNS,
        required=False,
        initial=20,
        widget=forms.NumberInput({"min": 1, "max": MOST_RUNS}),
        help_text=_("Each trial is a training run with one combination of settings."),
    )
    max_minutes = forms.IntegerField(
        label=_("At most so many minutes"),
        min_value=1,
        max_value=MOST_MINUTES,
        required=False,
        widget=forms.NumberInput({"min": 1, "max": MOST_MINUTES}),
        help_text=_("Counted from the start of the first trial. Leave empty for no limit."),
    )
    needs_gpu = forms.BooleanField(label=_("Wait for a GPU"), required=False)
    publish_when_done = forms.BooleanField(
        label=_("Publish the best when done"),
        required=False,
        help_text=_("Visitors get the version of the best combination as soon as it is trained."),
    )

    def __init__(self, *args: Any, recognizer: Recognizer, base: TrainingConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.recognizer = recognizer
        self.start = base
        self.initial.setdefault("epochs_of_each", base.epochs)
        self.fields["needs_gpu"].help_text = what_a_gpu_run_meets()
        self.settings = [each for each in settings_to_search(base.network) if each.name in SETTINGS]
        for each in self.settings:
            label = SETTINGS[each.name]
            ticked = forms.BooleanField(label=label, required=False, initial=each.name in TICKED)
            if type_of(each) is bool:
                ticked.help_text = _about(each)
            self.fields[USE + each.name] = dress(ticked)
            if field := _field_over(each, suggested(each, base)):
                self.fields[each.name] = dress(field)

    def clean(self) -> None:
        if self.errors:
            return
        self._read_space()
        if self.errors:
            return
        if not (self.cleaned_data["max_runs"] or self.cleaned_data["max_minutes"]):
            self.add_error("max_runs", gettext("Give a number of trials, or of minutes, or both."))
        try:
            check_search(self.recognizer, self.space, self.base)
            Plan.of(self.recognizer)
        except WrongConfig as error:
            name = error.params.get("name")
            self.add_error(name if name in self.space and name in self.fields else None, in_words(str(error)))
        except TooFewPictures as error:
            self.add_error(None, str(error))

    def _read_space(self) -> None:
        """Each setting that is ticked; what is wrong with one is said beside it."""
        self.space: SearchSpace = {}
        for each in self.settings:
            if not self.cleaned_data[USE + each.name]:
                continue
            try:
                self.space[each.name] = self._part(each)
            except WrongConfig as error:
                self.add_error(each.name, in_words(str(error)))

    def _part(self, each: ConfigField) -> Part:
        over = self.cleaned_data.get(each.name)
        if type_of(each) is bool:
            return Choices((True, False))
        return checked_part(each, {"choices": over}) if isinstance(over, list) else read_part(each, over or "")

    @property
    def base(self) -> TrainingConfig:
        """What every trial begins from, as long as the form says. Raises: WrongConfig."""
        epochs = self.cleaned_data["epochs_of_each"]
        return self.start.changed({"epochs": epochs, "head_epochs": min(self.start.head_epochs, epochs)})

    def request(self) -> SearchRequest:
        budget = self.cleaned_data["max_runs"], self.cleaned_data["max_minutes"]
        return SearchRequest(self.base, self.space, *budget)

    def main_settings(self) -> Iterator[Tried]:
        return (self._tried(each) for each in self.settings if each.name in MAIN_SETTINGS)

    def more_settings(self) -> Iterator[Tried]:
        return (self._tried(each) for each in self.settings if each.name not in MAIN_SETTINGS)

    @property
    def is_more_used(self) -> bool:
        """Whether one of the further settings is ticked, so that they are shown."""
        return any(tried.use.value() for tried in self.more_settings())

    def _tried(self, each: ConfigField) -> Tried:
        return Tried(self[USE + each.name], self[each.name] if each.name in self.fields else None)


def _field_over(each: ConfigField, part: Part) -> forms.Field | None:
    """Boxes for a few words to choose from, a line of text for numbers and lists, nothing for yes or no."""
    kind = type_of(each)
    if kind is bool:
        return None
    label = gettext("Values of: %(setting)s") % {"setting": SETTINGS[each.name]}
    if each.metadata["choices"] and kind is not tuple:
        choices = [(choice, CHOICES.get(choice, choice)) for choice in each.metadata["choices"]]
        ticked = list(part.values) if isinstance(part, Choices) else []
        return forms.MultipleChoiceField(
            label=label,
            choices=choices,
            required=False,
            initial=ticked,
            help_text=_about(each),
            widget=forms.CheckboxSelectMultiple,
        )
    return forms.CharField(label=label, required=False, initial=str(part), help_text=_about(each))


def _about(each: ConfigField) -> str:
    meaning = each.metadata["help"]
    about = [gettext(meaning)]
    if each.name in LOGARITHMIC:
        about.append(gettext("A range is tried evenly from tenth to tenth."))
    elif type_of(each) is tuple:
        about.append(gettext("Whole lists, apart with “|”; “-” is an empty one."))
    return " ".join(about)
