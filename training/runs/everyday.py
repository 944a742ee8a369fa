"""Everyday things as rows: a recognizer that knows ImageNet's classes without learning, and those that begin with some.

What `make install` has made is taken at once; where it is not there, a run makes it like any other version.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from training import storage
from training.disk import shortage
from training.errors import AlreadyThere
from training.library.everyday_classes import SETTINGS, SLUG, everyday_classes, imagenet_classes
from training.messages import N_
from training.models import Label, Recognizer, TrainingRun
from training.runs.prebuilt import Prebuilt
from training.runs.training_run import keep

OWNER = "installation"  # of the run that takes what was made while installing

log = logging.getLogger(__name__)


def add_everyday(by: User | None) -> TrainingRun:
    """The recognizer with its labels and its run, which has succeeded already where its files are there.

    All of it or nothing is in the rows. Raises: AlreadyThere.
    """
    with transaction.atomic():
        if has_everyday():
            raise AlreadyThere(N_("There is a recognizer “%(slug)s” already."), slug=SLUG)
        recognizer = Recognizer.objects.create(
            slug=SLUG,
            name_en="Everyday things",
            name_zh="日常事物",
            description_en="What is in your photo? It knows hundreds of animals, foods, tools and other things.",
            description_zh="照片里是什么？它认识几百种动物、食物、用具和其他事物。",
        )
        Label.objects.bulk_create(
            Label(recognizer=recognizer, key=each.key, name_en=each.name_en, name_zh=each.name_zh)
            for each in everyday_classes()
        )
        run = know(recognizer, imagenet_classes(), by)
        made = Prebuilt.found()
        if made and not shortage(made.num_bytes):  # the run says so, where there is no room
            _take(run, made)
    return run


def has_everyday() -> bool:
    return Recognizer.objects.filter(slug=SLUG).exists()


def know(recognizer: Recognizer, classes: Mapping[str, list[int]], by: User | None) -> TrainingRun:
    """A queued run whose version will know classes of ImageNet, by the keys of labels, and be published."""
    return recognizer.runs.create(
        config=SETTINGS, imagenet_classes=dict(classes), publish_when_done=True, started_by=by
    )


def keep_classes(base: Recognizer, keys: Collection[str], recognizer: Recognizer, by: User | None) -> TrainingRun:
    """Save a new recognizer with some labels of one that knows ImageNet's classes, and a queued run that makes its
    version: it answers among these labels only.
    """
    classes = {key: numbers for key, numbers in classes_known(base).items() if key in keys}
    names = {label.key: label for label in base.labels.filter(key__in=classes)}
    with transaction.atomic():
        recognizer.save()
        Label.objects.bulk_create(_copied(key, names.get(key), recognizer) for key in classes)
        return know(recognizer, classes, by)


def _copied(key: str, label: Label | None, recognizer: Recognizer) -> Label:
    """A label of another recognizer; where it is gone by now, its key serves as its name."""
    names = {"name_en": label.name_en, "name_zh": label.name_zh} if label else {}
    return Label(recognizer=recognizer, key=key, **names)


def _take(run: TrainingRun, made: Prebuilt) -> None:
    """Carry out a run with files that are there; they are verified before its version is published."""
    run.claim(OWNER)
    run.write(
        device=made.environment["device"],
        environment=made.environment | {"parts": {"preparing": timezone.now().isoformat(timespec="seconds")}},
    )
    folder = storage.working_folder(run.work_name)
    try:
        keep(run, sorted(run.imagenet_classes), made.copied_to(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    run.refresh_from_db()


def classes_known(recognizer: Recognizer) -> dict[str, list[int]]:
    """Numbers of ImageNet's classes by the keys of labels, of the newest version that knows such; empty without one."""
    runs: Any = recognizer.runs.filter(state=TrainingRun.State.SUCCEEDED, version__isnull=False)
    run = runs.exclude(imagenet_classes={}).first()
    return run.imagenet_classes if run else {}
