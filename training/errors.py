"""Everything the training package refuses, as sentences a person can act on.

An error keeps its sentence as an English template with parameters, so that it can be stored in a row and still be
read in the language of whoever opens the page: `raise UnreadablePicture(N_("… %(size)d …"), size=3)`.
"""

from __future__ import annotations

from typing import Any, TypedDict

from django.conf import settings
from django.utils.translation import gettext


def N_(sentence: str) -> str:
    """Mark a sentence for the catalogue; it is translated when it is shown. (Django's gettext_noop wants settings.)"""
    return sentence


class Sentence(TypedDict):
    """A sentence as a row keeps it."""

    template: str
    params: dict[str, Any]


def say(sentence: Sentence | dict[str, Any]) -> str:
    """The sentence in the active language; empty for an empty dict."""
    template = sentence.get("template", "")
    if not template:
        return ""
    translated = gettext(template) if settings.configured else template
    params = {name: _said(value) for name, value in sentence.get("params", {}).items()}
    return translated % params if params else translated.replace("%%", "%")


def _said(value: Any) -> Any:
    """A sentence within a sentence is said in the same language."""
    return say(value) if isinstance(value, dict) and "template" in value else value


class TrainingError(Exception):
    """What came, what was expected and what to do; `str()` answers in the active language."""

    def __init__(self, template: str, **params: Any) -> None:
        super().__init__(template, params)
        self.template = template
        self.params = params

    @property
    def sentence(self) -> Sentence:
        return {"template": self.template, "params": self.params}

    def __str__(self) -> str:
        return say(self.sentence)


class UnknownRecognizer(TrainingError):
    """No recognizer has this address."""


class UnreadablePicture(TrainingError):
    """The bytes are no picture we accept."""


class UnreadableArchive(TrainingError):
    """The file is no zip we accept, or a member breaks a limit."""


class DuplicatePicture(TrainingError):
    """The recognizer already has this very picture."""


class WrongConfig(TrainingError):
    """A training setting is unknown, out of range or impossible together with another."""


class TooFewPictures(TrainingError):
    """The recognizer's pictures cannot be split into training, validation and test."""


class WeightsNotFound(TrainingError):
    """Pretrained weights are neither in the cache nor to be had from the network."""


class TrialPruned(TrainingError):
    """A study ends a trial early: others did better at the same epoch."""


class BrokenArtifact(TrainingError):
    """A stored file is missing or is not the one its row describes."""


class TwinDiffers(TrainingError):
    """The serving twin does not answer as the H5 does."""


class TrainerDied(TrainingError):
    """The trainer's process ended without ending its run."""


class GaveUp(TrainingError):
    """A run was cut off too often."""

    def __init__(self, attempts: int, last: TrainingError) -> None:
        super().__init__(
            N_("Stopped %(attempts)d times in a row; last reason: %(reason)s"), attempts=attempts, reason=last.sentence
        )


class LeaseLost(TrainingError):
    """The run belongs to another process now, or has ended."""


class NotPublishable(TrainingError):
    """The version cannot become the active one."""


class StillInUse(TrainingError):
    """A version or a recognizer that somebody relies on is not deleted."""


class NotComparable(TrainingError):
    """Two versions have no answers to the same pictures."""
