from __future__ import annotations

import json
import subprocess
import sys

import pytest
from django.utils import translation

from training import messages
from training.errors import TrainingError, UnreadablePicture
from training.messages import say


@pytest.fixture
def _chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue with one sentence of our own."""
    chinese = {"%(size)d is too large, %(limit).0f%% at most.": "%(size)d 太大，最多 %(limit).0f%%。"}
    monkeypatch.setattr(
        messages,
        "_translate",
        lambda template: chinese[template] if translation.get_language() == "zh-hans" else template,
    )


ERROR = UnreadablePicture("%(size)d is too large, %(limit).0f%% at most.", size=9, limit=50)


def test_an_error_says_its_sentence_with_its_values() -> None:
    assert str(ERROR) == "9 is too large, 50% at most."


@pytest.mark.usefixtures("_chinese")
def test_a_kept_sentence_is_translated_when_it_is_read() -> None:
    row = json.loads(json.dumps(ERROR.sentence))

    with translation.override("zh-hans"):
        assert say(row) == str(ERROR) == "9 太大，最多 50%。"
    assert say(row) == "9 is too large, 50% at most."


def test_a_percent_sign_needs_no_values() -> None:
    assert str(TrainingError("100%% wrong.")) == "100% wrong."


def test_no_sentence_says_nothing() -> None:
    assert say({}) == ""


def test_a_value_is_never_read_as_a_template() -> None:
    assert str(TrainingError("Not %(name)s.", name="%(secret)s %d")) == "Not %(secret)s %d."


def test_sentences_can_be_said_without_django() -> None:
    """The trainer's package may be used from a notebook."""
    code = "from training.errors import TrainingError; print(TrainingError('No %(what)s.', what='Django'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={})

    assert done.stdout == "No Django.\n"
