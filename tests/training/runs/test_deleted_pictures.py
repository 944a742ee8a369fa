"""A picture is deleted, or its file is lost, at the moment in which somebody prepares from it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.types import AddPictures
from training.config import TrainingConfig
from training.data.images import load_pixels
from training.data.manifest import Manifest
from training.errors import BrokenArtifact, TooFewPictures
from training.library import duplicates, review
from training.library.deleted_pictures import without_deleted
from training.library.duplicates import group_pictures
from training.models import Job, Picture, Recognizer, TrainingRun
from training.results.dry_run_result import DryRun
from training.runs import training_run
from training.runs.dry_run_job import dry_run_job
from training.runs.inspection_job import inspection_job
from training.runs.training_run import RowReport, prepared

pytestmark = pytest.mark.usefixtures("pictures")

TINY = TrainingConfig.for_network("cnn", {"image_size": 16, "epochs": 2, "filters": (4, 8), "batch_size": 16})


@pytest.fixture
def pictures(recognizer: Recognizer, add_pictures: AddPictures) -> list[Picture]:
    return [each for label in ("circle", "square") for each in add_pictures(recognizer, label=label, count=6)]


@pytest.fixture
def just_before(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets something happen before the first call of a module's function, which then is done as ever."""

    def arrange(module: ModuleType, name: str, happen: Callable[[], object]) -> None:
        real, still = getattr(module, name), [happen]

        def then(*args: Any, **values: Any) -> Any:
            while still:
                still.pop()()
            return real(*args, **values)

        monkeypatch.setattr(module, name, then)

    return arrange


@pytest.fixture
def run(recognizer: Recognizer) -> TrainingRun:
    run = recognizer.runs.create(config=TINY.to_dict())
    run.claim("here")
    return run


def test_a_training_goes_on_without_it_and_says_so_in_its_log(
    run: TrainingRun,
    pictures: list[Picture],
    just_before: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    just_before(training_run, "pixel_cache", pictures[0].remove)

    with caplog.at_level(logging.INFO, "training"):
        manifest = prepared(run, RowReport(run))

    assert {each.sha256 for each in manifest.entries} == {each.sha256 for each in pictures[1:]}
    assert "A picture was deleted meanwhile: it is left out" in caplog.text


def test_a_training_that_has_too_few_left_says_that(
    run: TrainingRun, pictures: list[Picture], just_before: Callable[..., None]
) -> None:
    just_before(training_run, "pixel_cache", lambda: [each.remove() for each in pictures[:5]])

    with pytest.raises(TooFewPictures):
        prepared(run, RowReport(run))


def test_a_file_that_is_lost_is_named_as_people_know_it(
    run: TrainingRun, pictures: list[Picture], just_before: Callable[..., None]
) -> None:
    just_before(training_run, "pixel_cache", pictures[0].path.unlink)

    with pytest.raises(BrokenArtifact) as caught:
        prepared(run, RowReport(run))

    assert "The file of the picture “circle-0.png” under “circle” is missing. Delete the picture" in str(caught.value)
    assert "/" not in str(caught.value)


def test_near_duplicates_are_looked_for_among_those_left(
    recognizer: Recognizer, pictures: list[Picture], just_before: Callable[..., None]
) -> None:
    recognizer.pictures.update(perceptual_hashes="")
    just_before(duplicates, "_keep_perceptual_hashes", pictures[0].remove)

    group_pictures(recognizer)

    assert recognizer.pictures.exclude(group="").count() == 11


def test_a_review_looks_through_those_left(
    recognizer: Recognizer, pictures: list[Picture], just_before: Callable[..., None]
) -> None:
    group_pictures(recognizer)
    just_before(review, "decoded", pictures[0].remove)
    rows = list(recognizer.pictures.select_related("label", "recognizer"))

    result = review.review(rows, "pixels", review.plain_features, advance=bool)

    assert result.num_pictures == 11


def test_a_review_of_which_nothing_is_left_has_nothing_to_say(
    recognizer: Recognizer, just_before: Callable[..., None]
) -> None:
    rows = list(recognizer.pictures.select_related("label", "recognizer"))
    just_before(review, "decoded", lambda: [each.remove() for each in recognizer.pictures.all()])

    assert review.review(rows, "pixels", review.plain_features, advance=bool).num_pictures == 0


def test_a_dry_run_takes_its_steps_with_those_left(
    recognizer: Recognizer, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = recognizer.jobs.create(kind=Job.Kind.DRY_RUN, params={"config": TINY.to_dict()})
    job.claim("here")
    looked_at: list[int] = []

    def dry_run(manifest: Manifest, config: TrainingConfig, *, folder: Path) -> DryRun:
        if not looked_at:
            pictures[0].remove()
        looked_at.append(len(manifest.entries))
        for each in manifest.entries:
            load_pixels(Path(manifest.root) / each.file, config.image_size)
        return DryRun(1.0, 16, "A CPU", 0.1)

    stand_in = SimpleNamespace(
        dry_run=dry_run,
        dry_run_of_presets=None,
        stand_in_of=None,
        pictures_needed=lambda manifest, config: manifest,
    )
    monkeypatch.setitem(sys.modules, "training.trainer.dry_run", stand_in)

    dry_run_job(job, job.advance)

    assert looked_at == [12, 11]


def test_an_inspection_says_that_its_picture_is_gone(
    recognizer: Recognizer, pictures: list[Picture], version: Any
) -> None:
    job = recognizer.jobs.create(kind=Job.Kind.INSPECTION, version=version, params={"file": pictures[0].file})
    job.claim("here")
    pictures[0].remove()

    with pytest.raises(Exception, match="The picture has been deleted meanwhile"):
        inspection_job(job, job.advance)


@pytest.mark.parametrize("error", [FileNotFoundError(2, "gone", "/etc/nothing"), FileNotFoundError("gone")])
def test_what_is_no_picture_is_not_looked_for_again(recognizer: Recognizer, error: FileNotFoundError) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(FileNotFoundError, match="gone"):
        without_deleted(recognizer, fail)
