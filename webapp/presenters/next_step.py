"""What the owner of a recognizer would do next: each page has one primary button, and this says which."""

from __future__ import annotations

from django.db.models import Count
from django.db.models.enums import TextChoices

from training.data.manifest import MIN_CLASSES, MIN_PICTURES_PER_CLASS
from training.models import ModelVersion, Recognizer


class NextStep(TextChoices):
    ADD_PICTURES = "pictures"
    TRAIN = "train"
    WATCH = "watch"
    PUBLISH = "publish"
    TRY = "try"


def next_step(recognizer: Recognizer, newest: ModelVersion | None) -> NextStep:
    """From pictures to a published version; `newest` is the recognizer's latest version."""
    if recognizer.runs.unfinished().exists():
        return NextStep.WATCH
    active = recognizer.versions.active()
    is_better = newest and newest.is_better_than(active)
    if newest and is_better and not newest.trouble_sentence and not newest.activations.exists():
        return NextStep.PUBLISH
    if active:
        return NextStep.TRY
    return NextStep.TRAIN if is_trainable(recognizer) else NextStep.ADD_PICTURES


def is_trainable(recognizer: Recognizer) -> bool:
    sizes = recognizer.labels.annotate(size=Count("pictures")).values_list("size", flat=True)
    filled = [size for size in sizes if size]
    return len(filled) >= MIN_CLASSES and min(filled) >= MIN_PICTURES_PER_CLASS
