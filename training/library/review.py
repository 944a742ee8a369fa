"""Looking through a recognizer's pictures: near-duplicates, wrong labels, bad pictures, and what leaking twins pretend.

What a person does with the lists is kept in the pictures' rows; here nothing is changed but groups and fingerprints.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from training import storage
from training.data.image_quality import flaws
from training.data.images import Pixels, load_pixels
from training.errors import WeightsNotFound
from training.evaluation.label_errors import LabelError, find_label_errors, out_of_fold, reduced
from training.library.duplicates import group_pictures
from training.models import Job, Picture
from training.outages import outlasting

IMAGE_SIZE = 224  # pixels; what the ImageNet weights know
PLAIN_SIDE = 24  # pixels, where there are no weights and the pictures themselves have to do
BATCH = 32
MOST_LISTED = 500
GROUPING, READING = 0.4, 0.8  # shares of the whole that are done after each

Features: TypeAlias = Callable[[Pixels], NDArray[np.float32]]
"""(n, IMAGE_SIZE, IMAGE_SIZE, 3) pixels -> (n, …) features."""

log = logging.getLogger("training")


def review_job(job: Job) -> dict[str, Any]:
    """Look through all pictures. Returns: what `templates/review/` shows, with pictures by their keys."""
    group_pictures(job.recognizer, lambda share: _advance(job, GROUPING * share))
    pictures = list(job.recognizer.pictures.select_related("label").order_by("pk"))
    if not pictures:
        return {"num_pictures": 0}
    kind, features_of = _features()
    log.info("Looks through %d pictures by their %s", len(pictures), kind)
    features, flawed = [], []
    for some in _batches(job, pictures):
        pixels = _decoded([each.path for each in some])
        features.append(features_of(pixels))
        flawed += [_flaw_row(each, found) for each, found in zip(some, pixels, strict=True)]
    _advance(job, READING)
    return {
        "num_pictures": len(pictures),
        "features": kind,
        "flawed": [row for row in flawed if row["flaws"]][:MOST_LISTED],
        **label_review(pictures, np.concatenate(features)),
    }


def _advance(job: Job, share: float) -> None:
    outlasting(lambda: job.advance(share))


def _batches(job: Job, pictures: Sequence[Picture]) -> Iterator[Sequence[Picture]]:
    for begin in range(0, len(pictures), BATCH):
        yield pictures[begin : begin + BATCH]
        _advance(job, GROUPING + (READING - GROUPING) * begin / len(pictures))


def _decoded(paths: Sequence[Path]) -> Pixels:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.stack(list(pool.map(lambda path: load_pixels(path, IMAGE_SIZE), paths)))


def _flaw_row(picture: Picture, pixels: Pixels) -> dict[str, Any]:
    return {"picture": picture.pk, "flaws": flaws(pixels, picture.width, picture.height)}


def _features() -> tuple[str, Features]:
    """ImageNet's, and where its weights cannot be had the plain pixels: the version in use has learned the labels that
    are in question here, wrong ones too."""
    try:
        return "imagenet", _imagenet_features()
    except WeightsNotFound as error:
        log.warning("%s", error)
        return "pixels", _plain_features


def _imagenet_features() -> Features:
    """Of MobileNetV2, through OpenVINO. Raises: WeightsNotFound."""
    from training import networks
    from training.config import TrainingConfig
    from training.trainer.backbone_features import frozen_in_openvino

    settings = {"image_size": IMAGE_SIZE, "augmentation": (), "fine_tune": "none", "head_epochs": 1, "epochs": 1}
    config = TrainingConfig.for_network("mobilenetv2", settings)
    network = networks.build(config, 2)
    return frozen_in_openvino(network, config, storage.working_folder("cache")).features


def _plain_features(pixels: Pixels) -> NDArray[np.float32]:
    """Colours of a coarse grid and how strongly they change across and down, shape (n, any)."""
    edge = IMAGE_SIZE // PLAIN_SIDE
    cut = pixels[:, : edge * PLAIN_SIDE, : edge * PLAIN_SIDE].astype(np.float32)
    coarse = cut.reshape(len(cut), PLAIN_SIDE, edge, PLAIN_SIDE, edge, 3).mean((2, 4))
    grey = cut.mean(-1)
    slopes = [np.abs(np.diff(grey, axis=axis, append=0)) for axis in (1, 2)]
    blocks = [each.reshape(len(cut), PLAIN_SIDE, edge, PLAIN_SIDE, edge).mean((2, 4)) for each in slopes]
    return np.concatenate([each.reshape(len(cut), -1) for each in (coarse, *blocks)], axis=1)


def label_review(pictures: Sequence[Picture], features: NDArray[np.float32]) -> dict[str, Any]:
    """Likely label errors, and the accuracy of a simple classifier with and without leaking twins.

    A label that a person has confirmed is no suspect. Empty where there is a single class.
    """
    keys = sorted({each.label.key for each in pictures})
    if len(keys) < 2:
        return {"suspects": [], "leak": {}}
    labels = np.array([keys.index(each.label.key) for each in pictures], dtype=np.int32)
    groups = [each.group or each.sha256 for each in pictures]
    features = reduced(features)
    probabilities = out_of_fold(features, labels, groups)
    found = [
        each for each in find_label_errors(labels, probabilities) if not pictures[each.position].is_label_confirmed
    ]
    return {
        "suspects": [_suspect_row(pictures[each.position], each, keys) for each in found[:MOST_LISTED]],
        "leak": leak_report(features, labels, groups, probabilities),
    }


def _suspect_row(picture: Picture, found: LabelError, keys: list[str]) -> dict[str, Any]:
    return {
        "picture": picture.pk,
        "label": picture.label.key,
        "answer": keys[found.answer],
        "probability": round(found.probability, 3),
    }


def leak_report(
    features: NDArray[np.float32], labels: NDArray[np.int32], groups: Sequence[str], grouped: NDArray[np.float32]
) -> dict[str, Any]:
    """What an accuracy is worth whose test holds twins of the training: five folds at random, and five by group.

    Args:
        grouped: (n, num_classes) out-of-fold probabilities of folds that keep groups together.
    Returns: both accuracies, the share of pictures with a twin in the random training, and the accuracy on the others.
    """
    if len(set(groups)) == len(groups):
        share = float((grouped.argmax(axis=1) == labels).mean())
        return {"naive": share, "grouped": share, "share_with_twin": 0.0, "naive_without_twin": share}
    alone = np.random.default_rng(1).permutation(len(labels))
    naive = out_of_fold(features[alone], labels[alone], [str(each) for each in alone])
    is_right = naive.argmax(axis=1) == labels[alone]
    sizes = {group: groups.count(group) for group in set(groups)}
    has_twin = np.array([sizes[groups[each]] > 1 for each in alone])
    return {
        "naive": float(is_right.mean()),
        "grouped": float((grouped.argmax(axis=1) == labels).mean()),
        "share_with_twin": float(has_twin.mean()),
        "naive_without_twin": float(is_right[~has_twin].mean()) if (~has_twin).any() else None,
    }
