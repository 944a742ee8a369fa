"""A look inside a version, from its row to its drawings."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.types import AddPictures
from training import storage
from training.errors import BrokenArtifact, UnreadablePicture
from training.models import Job, ModelVersion
from training.results.inspection_result import InspectionResult
from training.runs import supervisor
from training.runs.inspection_job import inspection_job


@pytest.fixture
def job(version: ModelVersion, add_pictures: AddPictures) -> Job:
    (picture,) = add_pictures(version.recognizer)
    params = {"file": picture.file, "sha256": picture.sha256}
    return version.jobs.create(recognizer=version.recognizer, kind=Job.Kind.INSPECTION, params=params)


@pytest.mark.usefixtures("_real_processes")
def test_a_look_inside_says_and_draws_what_is_there(job: Job, version: ModelVersion) -> None:
    supervisor.carry_out(job)

    job.refresh_from_db()
    assert (job.state, job.error) == (Job.State.DONE, "")
    found = InspectionResult.from_dict(job.result)
    assert found.trainable + found.frozen == version.num_weights
    assert (found.filters.count, found.filters.width) == (8, 3)
    assert next(each for each in found.layers if each.name == "probabilities").shape == [2]
    assert sum(each.probability for each in found.scores) == pytest.approx(1)
    assert all(each.drawing for each in found.layers if each.is_drawn)
    drawings = [found.input, found.filters.drawing, *(each.drawing for each in found.layers)]
    for each in filter(None, drawings):
        data = storage.local_path(f"{job.folder}/{each.name}.png").read_bytes()
        assert Image.open(io.BytesIO(data)).size == (each.width, each.height)


def test_a_picture_that_is_gone_fails_the_job_in_plain_words(job: Job) -> None:
    storage.forget(job.params["file"])

    with pytest.raises(UnreadablePicture, match="Choose another one"):
        inspection_job(job, job.advance)


def test_an_h5_that_has_changed_is_not_opened(job: Job, version: ModelVersion) -> None:
    Path(version.files.h5).write_bytes(b"something else")

    with pytest.raises(BrokenArtifact):
        inspection_job(job, job.advance)
