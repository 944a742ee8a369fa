"""Sentences that people read, kept so that each reader gets them in a language of theirs.

A sentence is an English template with parameters. It can be stored in a row and still be read in the language of
whoever opens the page: `raise UnreadablePicture(N_("… %(size)d …"), size=3)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict


def N_(sentence: str) -> str:
    """Mark a sentence for the catalogue; it is translated when it is shown."""
    return sentence


class Sentence(TypedDict):
    """A sentence as a row keeps it."""

    template: str
    params: dict[str, Any]


def translate_with(translate: Callable[[str], str]) -> None:
    """Let `say` look templates up from now on; before, and where nobody called this, it says them in English."""
    global _translate
    _translate = translate


def say(sentence: Sentence | dict[str, Any]) -> str:
    """The sentence in the active language; empty for an empty dict."""
    template = sentence.get("template", "")
    if not template:
        return ""
    translated = _translate(template)
    params = {name: _said(value) for name, value in sentence.get("params", {}).items()}
    return translated % params if params else translated.replace("%%", "%")


def _said(value: Any) -> Any:
    """A sentence within a sentence is said in the same language."""
    return say(value) if isinstance(value, dict) and "template" in value else value


_translate: Callable[[str], str] = str


class UserFacingError(Exception):
    """The root of all refusals: what came, what was expected, what to do. `str()` says it in the active language."""

    def __init__(self, template: str, **params: Any) -> None:
        super().__init__(template, params)
        self.template = template
        self.params = params

    @property
    def sentence(self) -> Sentence:
        return {"template": self.template, "params": self.params}

    def __str__(self) -> str:
        return say(self.sentence)
