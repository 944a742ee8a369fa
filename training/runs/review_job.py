"""The job that looks through a recognizer's pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable

from training import storage
from training.errors import WeightsNotFound
from training.library.duplicates import group_pictures
from training.library.review import IMAGE_SIZE, Features, plain_features, review
from training.models import Job
from training.results.review_result import ReviewResult

GROUPING = 0.4  # share of the whole that is done after it

log = logging.getLogger("training")


def review_job(job: Job, advance: Callable[[float], object]) -> ReviewResult:
    """Look through all pictures.

    Args:
        advance: is told the share of 1 that is done.
    Raises: LeaseLost.
    """
    group_pictures(job.recognizer, lambda share: advance(GROUPING * share))
    pictures = list(job.recognizer.pictures.select_related("label").order_by("pk"))
    if not pictures:
        return ReviewResult()
    kind, features_of = _features()
    log.info("Looks through %d pictures by their %s", len(pictures), kind)
    return review(pictures, kind, features_of, advance=lambda share: advance(GROUPING + (1 - GROUPING) * share))


def _features() -> tuple[str, Features]:
    """ImageNet's, and where its weights cannot be had the plain pixels: the version in use has learned the labels that
    are in question here, wrong ones too."""
    from training.trainer.backbone_features import imagenet_features  # TensorFlow takes seconds

    try:
        return "imagenet", imagenet_features(IMAGE_SIZE, storage.working_folder("cache"))
    except WeightsNotFound as error:
        log.warning("%s", error)
        return "pixels", plain_features
