"""A look through a recognizer's pictures, from its row to its lists."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.drawings import SHAPES, encoded
from tests.training.library.test_duplicates import scene
from tests.types import AddPictures
from training.data.images import ingest
from training.errors import WeightsNotFound
from training.library.intake import add_picture
from training.models import Job, Recognizer
from training.results.review_result import FlawedPicture, ReviewResult
from training.runs.review_job import review_job


@pytest.fixture
def job(recognizer: Recognizer, add_pictures: AddPictures, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A claimed review of sixteen circles and squares, where no weights can be had."""

    def without_weights(image_size: int, folder: Path) -> None:
        raise WeightsNotFound("Offline.")

    stand_in = SimpleNamespace(imagenet_features=without_weights)
    monkeypatch.setitem(sys.modules, "training.trainer.backbone_features", stand_in)
    for shape in SHAPES:
        add_pictures(recognizer, label=shape, count=16)
    job = recognizer.jobs.create(kind=Job.Kind.REVIEW)
    job.claim("host:1")
    return job


def listed(job: Job) -> set[int]:
    return {each.picture for each in review_job(job, job.advance).label_errors}


def test_a_review_finds_dark_pictures_and_groups_near_duplicates(job: Job, recognizer: Recognizer) -> None:
    black = add_picture(recognizer, "circle", "black.png", ingest(encoded(scene(1).point(lambda _: 0))), None)
    twins = [
        add_picture(recognizer, "square", f"{n}.png", ingest(encoded(picture)), None)
        for n, picture in enumerate([scene(2), scene(2).resize((100, 75))])
    ]

    result = review_job(job, job.advance)

    assert FlawedPicture(black.pk, ["dark", "blank"]) in result.flawed
    assert len({recognizer.pictures.get(pk=each.pk).group for each in twins}) == 1
    assert (result.features, result.num_pictures) == ("pixels", 35)
    assert result.leak.share_duplicated > 0


def test_a_confirmed_label_is_no_error(job: Job, recognizer: Recognizer) -> None:
    recognizer.pictures.update(is_label_confirmed=True)

    assert listed(job) == set()


def test_a_review_tells_how_far_it_is(job: Job, recognizer: Recognizer) -> None:
    review_job(job, job.advance)

    job.refresh_from_db()
    assert job.progress == pytest.approx(0.8)


def test_a_review_without_pictures_ends_well(recognizer: Recognizer) -> None:
    job = recognizer.jobs.create(kind=Job.Kind.REVIEW)

    assert review_job(job, job.advance) == ReviewResult()
