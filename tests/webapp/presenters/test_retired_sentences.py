"""What rows of earlier releases hold is still said in the reader's language."""

from __future__ import annotations

import pytest
from django.utils.translation import gettext, override

from training.config import TrainingConfig
from training.models import Recognizer
from webapp.presenters.retired_sentences import RETIRED


@pytest.mark.parametrize("template", RETIRED)
def test_a_sentence_that_is_said_no_more_has_its_chinese(template: str) -> None:
    with override("zh-hans"):
        assert gettext(template) != template


def test_why_an_earlier_release_chose_a_network_is_said_in_chinese(recognizer: Recognizer) -> None:
    why = {
        "template": "%(chosen)s was chosen: in a short race on %(count)d validation pictures it got %(percent).1f %% "
        "right at %(size)d pixels, %(other)s %(other_percent).1f %% at %(other_size)d.",
        "params": {
            **{"chosen": "cnn", "count": 250, "percent": 97.0, "size": 32},
            **{"other": "mobilenetv2", "other_percent": 53.1, "other_size": 160},
        },
    }
    run = recognizer.runs.create(config=TrainingConfig().to_dict(), choice_sentence=why)

    with override("zh-hans"):
        assert run.choice.startswith("选用 cnn：在 250 张")


def test_why_an_earlier_release_refused_pictures_is_said_in_chinese(recognizer: Recognizer) -> None:
    why = {"template": next(each for each in RETIRED if each.startswith("Near-duplicates")), "params": {}}
    run = recognizer.runs.create(config=TrainingConfig().to_dict(), error_sentence=why)

    with override("zh-hans"):
        assert "近乎相同的图片" in run.error
