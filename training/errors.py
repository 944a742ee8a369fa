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
    params = sentence.get("params", {})
    return translated % params if params else translated.replace("%%", "%")


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


class BrokenArtifact(TrainingError):
    """A stored file is missing or is not the one its row describes."""


class TwinDiffers(TrainingError):
    """The serving twin does not answer as the H5 does."""


class LeaseLost(TrainingError):
    """The run belongs to another process now, or has ended."""


class NotPublishable(TrainingError):
    """The version cannot become the active one."""
