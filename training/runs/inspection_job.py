"""The job that looks inside a version: from its files to drawings in the job's folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training import storage
from training.data.images import Pixels, encoded_png, load_pixels
from training.errors import BrokenArtifact, UnreadablePicture
from training.messages import N_
from training.models import Job, ModelVersion
from training.results.inspection_result import InspectionResult, Score

CHECKED, LOADED = 0.1, 0.5  # shares of the whole that are done after each


def inspection_job(job: Job, advance: Callable[[float], object]) -> InspectionResult:
    """Look inside a job's version with its picture.

    `params["file"]` names the picture in the store.

    Args:
        advance: is told the share of 1 that is done.
    Raises: BrokenArtifact, UnreadablePicture, LeaseLost.
    """
    version = job.version
    if version is None:
        raise BrokenArtifact(N_("The version has been deleted meanwhile."))
    version.files.check_h5()
    pixels = _pixels(job.params["file"], version.image_size)
    advance(CHECKED)

    from training.trainer.inspection import inspect, network_of  # TensorFlow takes seconds

    network = network_of(version.files.h5)
    advance(LOADED)
    result, probabilities = inspect(
        network,
        pixels,
        keep=lambda name, drawn: _keep(job, name, drawn),
        advance=lambda share: advance(LOADED + (1 - LOADED) * share),
    )
    return replace(result, scores=_scores(version, probabilities))


def _pixels(file: str, image_size: int) -> Pixels:
    try:
        return load_pixels(storage.local_path(file), image_size)
    except FileNotFoundError as error:
        raise UnreadablePicture(N_("The picture has been deleted meanwhile. Choose another one.")) from error


def _keep(job: Job, name: str, drawn: Pixels) -> str:
    """Store a drawing; its name is this attempt's own, so that a browser may keep it."""
    name = f"{job.lease}-{name}"
    storage.keep_bytes(encoded_png(drawn), f"{job.folder}/{name}.png")
    return name


def _scores(version: ModelVersion, probabilities: NDArray[np.float32]) -> list[Score]:
    """The classes by falling probability, calibrated as the site answers."""
    shares = version.calibrator.calibrated(probabilities)
    return [Score(version.class_names[i], float(shares[i])) for i in np.argsort(-shares, kind="stable")]
