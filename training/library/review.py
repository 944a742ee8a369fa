"""Looking through a recognizer's pictures: wrong labels, bad pictures, and what leaking near-duplicates pretend.

What a person does with the lists is kept in the pictures' rows; here nothing is changed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.data.image_quality import flaws
from training.data.images import Pixels, load_pixels
from training.evaluation.label_errors import LabelError, find_label_errors, out_of_fold, reduced
from training.library.deleted_pictures import deleted_picture
from training.models import Picture
from training.results.review_result import FlawedPicture, LeakReport, LikelyLabelError, ReviewResult

IMAGE_SIZE = 224  # pixels; what the ImageNet weights know
PLAIN_SIDE = 24  # pixels, where there are no weights and the pictures themselves have to do
BATCH = 32
MOST_LISTED = 500
READING = 2 / 3  # share of the whole that is done after it

Features: TypeAlias = Callable[[Pixels], NDArray[np.float32]]
"""(n, IMAGE_SIZE, IMAGE_SIZE, 3) pixels -> (n, …) features."""


def review(
    pictures: Sequence[Picture], kind: str, features_of: Features, *, advance: Callable[[float], object]
) -> ReviewResult:
    """Look through grouped pictures of one recognizer; those that are deleted meanwhile are left out.

    Args:
        kind: what the features are called.
        advance: is told the share of 1 that is done.
    Raises: BrokenArtifact where a picture's file is missing.
    """
    left: list[Picture] = []
    features, flawed = [], []
    for begin in range(0, len(pictures), BATCH):
        advance(READING * begin / len(pictures))
        some, pixels = _those_left(pictures[begin : begin + BATCH])
        if some:
            features.append(features_of(pixels))
            flawed += [_flawed(picture, seen) for picture, seen in zip(some, pixels, strict=True)]
            left += some
    advance(READING)
    if not left:
        return ReviewResult()
    errors, leak = label_review(left, np.concatenate(features))
    return ReviewResult(len(left), kind, errors, [each for each in flawed if each.flaws][:MOST_LISTED], leak)


def _those_left(pictures: Sequence[Picture]) -> tuple[Sequence[Picture], Pixels]:
    """The pictures that nobody has deleted by now, and their pixels."""
    while pictures:
        try:
            return pictures, decoded([each.path for each in pictures])
        except FileNotFoundError as error:
            deleted = deleted_picture(pictures[0].recognizer, error)
            pictures = [each for each in pictures if each.sha256 != deleted]
    return [], np.empty((0, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)


def decoded(paths: Sequence[Path]) -> Pixels:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.stack(list(pool.map(lambda path: load_pixels(path, IMAGE_SIZE), paths)))


def _flawed(picture: Picture, pixels: Pixels) -> FlawedPicture:
    return FlawedPicture(picture.pk, flaws(pixels, picture.width, picture.height))


def plain_features(pixels: Pixels) -> NDArray[np.float32]:
    """Colours of a coarse grid and how strongly they change across and down, shape (n, any)."""
    edge = IMAGE_SIZE // PLAIN_SIDE
    cut = pixels[:, : edge * PLAIN_SIDE, : edge * PLAIN_SIDE].astype(np.float32)
    coarse = cut.reshape(len(cut), PLAIN_SIDE, edge, PLAIN_SIDE, edge, 3).mean((2, 4))
    grey = cut.mean(-1)
    slopes = [np.abs(np.diff(grey, axis=axis, append=0)) for axis in (1, 2)]
    blocks = [each.reshape(len(cut), PLAIN_SIDE, edge, PLAIN_SIDE, edge).mean((2, 4)) for each in slopes]
    return np.concatenate([each.reshape(len(cut), -1) for each in (coarse, *blocks)], axis=1)


def label_review(
    pictures: Sequence[Picture], features: NDArray[np.float32]
) -> tuple[list[LikelyLabelError], LeakReport | None]:
    """Likely label errors, and the accuracy of a simple classifier with and without leaking near-duplicates.

    A label that a person has confirmed is no error. Nothing is found where there is a single class.
    """
    keys = sorted({each.label.key for each in pictures})
    if len(keys) < 2:
        return [], None
    labels = np.array([keys.index(each.label.key) for each in pictures], dtype=np.int32)
    groups = [each.group or each.sha256 for each in pictures]
    features = reduced(features)
    probabilities = out_of_fold(features, labels, groups)
    errors = find_label_errors(labels, probabilities)
    likely = [
        _likely(pictures[each.position], each, keys)
        for each in errors
        if not pictures[each.position].is_label_confirmed
    ]
    return likely[:MOST_LISTED], leak_report(features, labels, groups, probabilities)


def _likely(picture: Picture, error: LabelError, keys: list[str]) -> LikelyLabelError:
    return LikelyLabelError(picture.pk, picture.label.key, keys[error.answer], round(error.probability, 3))


def leak_report(
    features: NDArray[np.float32], labels: NDArray[np.int32], groups: Sequence[str], grouped: NDArray[np.float32]
) -> LeakReport:
    """What an accuracy is worth whose test holds near-duplicates of the training: five folds at random, five by group.

    Args:
        grouped: (n, num_classes) out-of-fold probabilities of folds that keep groups together.
    """
    accuracy = float((grouped.argmax(axis=1) == labels).mean())
    if len(set(groups)) == len(groups):
        return LeakReport(naive=accuracy, grouped=accuracy, share_duplicated=0.0, naive_on_others=accuracy)
    alone = np.random.default_rng(1).permutation(len(labels))
    naive = out_of_fold(features[alone], labels[alone], [str(each) for each in alone])
    is_right = naive.argmax(axis=1) == labels[alone]
    sizes = Counter(groups)
    is_duplicated = np.array([sizes[groups[each]] > 1 for each in alone])
    return LeakReport(
        naive=float(is_right.mean()),
        grouped=accuracy,
        share_duplicated=float(is_duplicated.mean()),
        naive_on_others=float(is_right[~is_duplicated].mean()) if (~is_duplicated).any() else None,
    )
