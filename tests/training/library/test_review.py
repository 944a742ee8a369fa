from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.drawings import SHAPES, encoded
from tests.training.library.test_duplicates import scene
from training.data.image_quality import flaws
from training.data.images import ingest
from training.errors import WeightsNotFound
from training.evaluation.label_errors import find_label_errors, out_of_fold
from training.library import review
from training.library.intake import add_picture
from training.models import Job, Picture, Recognizer


@pytest.fixture
def job(recognizer: Recognizer, add_pictures: Callable[..., list[Picture]], monkeypatch: pytest.MonkeyPatch) -> Job:
    """A claimed review of sixteen circles and squares, where no weights can be had."""

    def without_weights() -> None:
        raise WeightsNotFound("Offline.")

    monkeypatch.setattr(review, "_imagenet_features", without_weights)
    for shape in SHAPES:
        add_pictures(recognizer, label=shape, count=16)
    job = recognizer.jobs.create(kind=Job.Kind.REVIEW)
    job.claim("host:1")
    return job


def listed(job: Job) -> set[int]:
    return {row["picture"] for row in review.review_job(job)["suspects"]}


def test_a_review_finds_dark_pictures_and_groups_near_duplicates(job: Job, recognizer: Recognizer) -> None:
    black = add_picture(recognizer, "circle", "black.png", ingest(encoded(scene(1).point(lambda _: 0))), None)
    twins = [
        add_picture(recognizer, "square", f"{n}.png", ingest(encoded(picture)), None)
        for n, picture in enumerate([scene(2), scene(2).resize((100, 75))])
    ]

    result = review.review_job(job)

    assert {"picture": black.pk, "flaws": ["dark", "blank"]} in result["flawed"]
    assert len({recognizer.pictures.get(pk=each.pk).group for each in twins}) == 1
    assert result["leak"]["share_with_twin"] > 0


def test_a_confirmed_label_is_no_suspect(job: Job, recognizer: Recognizer) -> None:
    recognizer.pictures.update(is_label_confirmed=True)

    assert listed(job) == set()


def test_a_review_without_pictures_ends_well(recognizer: Recognizer) -> None:
    job = recognizer.jobs.create(kind=Job.Kind.REVIEW)

    assert review.review_job(job) == {"num_pictures": 0}


def two_clouds(count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(count, dtype=np.int32) % 2
    noise = np.random.default_rng(1).normal(size=(count, 6)).astype(np.float32)
    return noise + 4 * labels[:, None], labels


def test_a_wrong_label_comes_first() -> None:
    features, labels = two_clouds(100)
    labels[7] = 1 - labels[7]

    found = find_label_errors(labels, out_of_fold(features, labels, [str(number) for number in range(100)]))

    assert (found[0].position, found[0].answer) == (7, 1 - labels[7])


def test_what_a_twin_would_give_away_is_not_learned() -> None:
    """Two pictures of each group with labels of pure chance: only a leak could tell them."""
    rng = np.random.default_rng(1)
    features = np.repeat(rng.normal(size=(60, 400)), 2, axis=0).astype(np.float32)
    labels = np.repeat(rng.integers(0, 2, 60), 2).astype(np.int32)
    groups = [str(number // 2) for number in range(120)]

    grouped = out_of_fold(features, labels, groups)
    report = review.leak_report(features, labels, groups, grouped)

    assert report["naive"] > report["grouped"] + 0.2


@pytest.mark.parametrize(
    ("pixels", "size", "expected"),
    [
        (np.full((64, 64, 3), 250), (64, 64), ["pale", "blank"]),
        (np.tile(np.linspace(60, 190, 64)[:, None, None], (1, 64, 3)), (640, 640), ["blurred"]),
        (np.random.default_rng(1).integers(0, 256, (64, 64, 3)), (20, 90), ["tiny", "stretched"]),
        (np.random.default_rng(1).integers(0, 256, (64, 64, 3)), (200, 200), []),
    ],
)
def test_bad_pictures_are_told_by_what_is_wrong(pixels: np.ndarray, size: tuple[int, int], expected: list[str]) -> None:
    assert flaws(pixels.astype(np.uint8), *size) == expected
