"""The digits as rows: a recognizer that a fresh installation begins with, and the run that teaches it.

Taking its pictures in takes longer than anybody wants to wait for a site, so its run does that before it learns.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

from training.data.members import Member
from training.library.intake import add_pictures
from training.library.starter import STARTER_CONFIG, digit_pictures
from training.models import Recognizer, TrainingRun

SLUG = "digits"

log = logging.getLogger(__name__)


def add_digits() -> TrainingRun:
    """The recognizer, still without pictures, with a queued run that takes them in and will publish its version."""
    recognizer = Recognizer.objects.create(
        slug=SLUG,
        name_en="Handwritten digits",
        name_zh="手写数字",
        description_en="Draw a digit from 0 to 9, or send a photo of one.",
        description_zh="写一个 0 到 9 的数字，或者上传一张数字的照片。",
        is_drawn=True,
    )
    return recognizer.runs.create(config=STARTER_CONFIG.to_dict(), publish_when_done=True)


def takes_its_digits(run: TrainingRun) -> bool:
    """Whether it is the run of `add_digits`, and has not begun to learn yet."""
    is_first = not run.recognizer.runs.filter(pk__lt=run.pk).exists()
    is_ours = run.recognizer.slug == SLUG and run.started_by_id is None and run.training_config == STARTER_CONFIG
    return is_first and is_ours and not run.manifest_sha256


def take_digits(recognizer: Recognizer) -> None:
    """Take in the pictures that scikit-learn ships; those that are there already stay as they are."""
    log.info("Takes in the handwritten digits")
    count = sum(line.is_taken for line in add_pictures(recognizer, _digits(), None))
    log.info("Took in %d pictures", count)


def _digits() -> Iterator[Member]:
    for name, label, data in digit_pictures():
        yield Member(name, label, partial(bytes, data))
