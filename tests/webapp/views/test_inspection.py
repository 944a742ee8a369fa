"""A version is looked inside: a picture is chosen, the work is waited for, what was found is shown."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from tests.types import AddPictures, MakeVersion, PictureBytes
from training import storage
from training.models import Job, ModelVersion, Recognizer
from training.results.inspection_result import InspectionResult
from training.trainer.feature_maps import histogram
from webapp.presenters import inside

pytestmark = pytest.mark.django_db
INSIDE = "/manage/shapes/versions/1/inside/"
DRAWING = {"name": "1-input", "width": 24, "height": 24}


def facts(name: str, *, kind: str = "Conv2D", shape: tuple[int, ...] = (12, 12, 8), **values: object) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "shape": list(shape),
        "trainable": 10,
        "frozen": 0,
        "weights": None,
        "activations": asdict(histogram(np.array([0.0, 0.0, 1.5]))),
        "drawing": DRAWING,
        "channels": [3, 1],
        "is_chosen": True,
        **values,
    }


RESULT = {
    "image_size": 24,
    "input": DRAWING,
    "scores": [{"label": "circle", "probability": 0.75}, {"label": "square", "probability": 0.25}],
    "filters": {
        **{"layer": "conv2d", "kind": "Conv2D", "drawing": DRAWING},
        **{"count": 8, "shown": 8, "height": 3, "width": 3},
    },
    "layers": [facts("conv2d"), facts("re_lu", kind="ReLU"), facts("head", kind="Dense", shape=(2,), is_chosen=False)],
    "trainable": 30,
    "frozen": 0,
}


@pytest.fixture
def picture(recognizer: Recognizer, add_pictures: AddPictures) -> Any:
    return add_pictures(recognizer)[0]


@pytest.fixture
def job(version: ModelVersion, picture: Any) -> Any:
    return version.jobs.create(
        recognizer=version.recognizer,
        kind="inspection",
        params={"sha256": picture.sha256, "file": picture.file},
    )


@pytest.fixture
def done(job: Job) -> Any:
    storage.keep_bytes(b"drawn", f"{job.folder}/1-input.png")
    job.claim("jobs@here")
    job.finish(RESULT)
    job.refresh_from_db()
    return job


def content(answer: Any) -> str:
    return answer.content.decode()


# --- who may
@pytest.mark.parametrize("address", ["", "1/", "1/1-input.png"])
def test_looking_inside_is_for_staff(client: Client, version: ModelVersion, address: str) -> None:
    assert client.get(f"{INSIDE}{address}").headers["Location"].startswith("/login/")


def test_visitors_start_nothing(client: Client, version: ModelVersion, picture: Any) -> None:
    client.post(INSIDE, {"picture": picture.pk})

    assert not Job.objects.exists()


# --- asking
def test_a_few_pictures_of_different_labels_are_offered_those_of_the_test_first(
    staff_client: Client, version: ModelVersion, add_pictures: AddPictures
) -> None:
    circles = add_pictures(version.recognizer, label="circle", count=20)
    (square,) = add_pictures(version.recognizer, label="square")
    circles[15].split = "test"
    circles[15].save()

    offered = list(inside.examples(version.recognizer))

    assert offered[:2] == [circles[15], square]
    assert len(offered) == inside.NUM_EXAMPLES
    assert f'value="{square.pk}"' in content(staff_client.get(INSIDE))


def test_a_picture_of_the_recognizer_is_looked_at(
    staff_client: Client, staff: User, version: ModelVersion, picture: Any
) -> None:
    answer = staff_client.post(INSIDE, {"picture": picture.pk})

    job = Job.objects.get()
    assert answer.headers["Location"] == f"{INSIDE}{job.pk}/"
    assert (job.kind, job.version, job.started_by, job.params["file"]) == ("inspection", version, staff, picture.file)


def test_a_picture_that_is_sent_is_kept_as_all_pictures_are(
    staff_client: Client, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    upload = SimpleUploadedFile("mine.png", picture_bytes())

    staff_client.post(INSIDE, {"file": upload})

    job = Job.objects.get()
    assert job.params["file"] == f"{job.folder}/picture.webp"
    assert storage.local_path(job.params["file"]).read_bytes()[8:12] == b"WEBP"


def test_the_same_picture_again_leads_to_what_was_found(
    staff_client: Client, version: ModelVersion, picture: Any, done: Any
) -> None:
    assert staff_client.post(INSIDE, {"picture": picture.pk}).headers["Location"] == f"{INSIDE}{done.pk}/"
    assert Job.objects.count() == 1


def test_the_same_picture_sent_along_does_so_too(
    staff_client: Client, version: ModelVersion, picture: Any, job: Job
) -> None:
    upload = SimpleUploadedFile("same.webp", picture.path.read_bytes())

    assert staff_client.post(INSIDE, {"file": upload}).headers["Location"] == f"{INSIDE}{job.pk}/"


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_look_that_came_to_nothing_is_tried_again(
    staff_client: Client, version: ModelVersion, picture: Any, job: Job, state: str
) -> None:
    Job.objects.update(state=state, ended_at=timezone.now(), cancel_requested=state == "cancelled")

    staff_client.post(INSIDE, {"picture": picture.pk})

    assert Job.objects.count() == 2


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({}, "There is no picture. Choose one of these"),
        ({"picture": "999"}, "has been deleted meanwhile"),
        ({"picture": "no number"}, "has been deleted meanwhile"),
        ({"file": SimpleUploadedFile("a.png", b"no picture")}, "not a picture we can read"),
        ({"file": SimpleUploadedFile("a.png", b"")}, "There is no picture"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(
    staff_client: Client, version: ModelVersion, sent: Any, sentence: Any
) -> None:
    answer = staff_client.post(INSIDE, sent)

    assert answer.status_code == 400
    assert sentence in content(answer)
    assert not Job.objects.exists()


def test_a_picture_of_another_recognizer_is_refused(
    staff_client: Client, version: ModelVersion, add_pictures: AddPictures, django_user_model: Any
) -> None:
    other = type(version.recognizer).objects.create(slug="other", name_en="Other")
    (foreign,) = add_pictures(other)

    assert staff_client.post(INSIDE, {"picture": foreign.pk}).status_code == 400


def test_an_upload_that_is_far_too_large_is_refused_unread(staff_client: Client, version: ModelVersion) -> None:
    assert staff_client.post(INSIDE, {}, CONTENT_LENGTH="99999999").status_code == 413


# --- waiting
def test_a_look_that_waits_says_for_what(staff_client: Client, job: Job) -> None:
    assert "It waits for a worker." in content(staff_client.get(f"{INSIDE}{job.pk}/"))

    Job.objects.update(created_at=timezone.now() - timedelta(minutes=1))

    assert "honcho start jobs" in content(staff_client.get(f"{INSIDE}{job.pk}/"))


def test_jobs_that_come_first_are_counted(
    staff_client: Client, recognizer: Recognizer, version: ModelVersion, picture: Any, staff: User
) -> None:
    recognizer.jobs.create(kind="review")
    job = inside.ask(version, picture, staff)

    assert "1 job is before it." in content(staff_client.get(f"{INSIDE}{job.pk}/"))


def test_while_it_works_only_the_progress_is_asked_for_again_and_the_page_when_it_has_ended(
    staff_client: Client, job: Job
) -> None:
    job.claim("jobs@here")
    job.advance(0.6)
    htmx = {"HX-Request": "true"}

    working = staff_client.get(f"{INSIDE}{job.pk}/", headers=htmx)
    job.finish(RESULT)
    ended = staff_client.get(f"{INSIDE}{job.pk}/", headers=htmx)

    assert "<html" not in content(working)
    assert 'value="0.60"' in content(working)
    assert ended["HX-Refresh"] == "true"


def test_it_is_cancelled(staff_client: Client, job: Job) -> None:
    staff_client.post(f"{INSIDE}{job.pk}/cancel/")

    job.refresh_from_db()
    assert job.state == "cancelled"


def test_why_it_failed_is_said_with_a_way_on(staff_client: Client, job: Job) -> None:
    job.claim("jobs@here")
    Job.objects.update(state="failed", ended_at=timezone.now(), error_sentence={"template": "No.", "params": {}})

    page = content(staff_client.get(f"{INSIDE}{job.pk}/"))

    assert "No." in page
    assert f'href="{INSIDE}"' in page


# --- looking
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_what_was_found_is_shown(staff_client: Client, done: Any, language: str) -> None:
    staff_client.cookies["django_language"] = language
    page = content(staff_client.get(f"{INSIDE}{done.pk}/"))

    assert "Circle" in page or "圆" in page
    assert page.count("12 × 12 × 8") > 2
    assert f"{INSIDE}{done.pk}/1-input.png" in page
    assert "<path d=" in page
    assert "style=" not in page


def test_a_network_without_maps_says_so(staff_client: Client, done: Any) -> None:
    done.result["layers"] = [facts("dense", kind="Dense", shape=(32,), is_chosen=False, channels=[])]
    Job.objects.update(result=done.result)

    assert "This network has no maps" in content(staff_client.get(f"{INSIDE}{done.pk}/"))


def test_a_page_of_a_deep_network_asks_few_questions(
    staff_client: Client, done: Any, django_assert_max_num_queries: Any
) -> None:
    Job.objects.update(result={**RESULT, "layers": [facts(f"layer{n}") for n in range(200)]})

    with django_assert_max_num_queries(6):
        staff_client.get(f"{INSIDE}{done.pk}/")


def test_a_drawing_is_a_picture_that_a_browser_keeps(staff_client: Client, done: Any) -> None:
    answer = staff_client.get(f"{INSIDE}{done.pk}/1-input.png")

    assert (answer["Content-Type"], answer.getvalue()) == ("image/png", b"drawn")
    assert "private" in answer["Cache-Control"]
    assert staff_client.get(f"{INSIDE}{done.pk}/1-other.png").status_code == 404


def test_what_was_found_in_one_version_is_not_shown_for_another(
    staff_client: Client, done: Any, make_version: MakeVersion
) -> None:
    make_version(done.recognizer)

    assert staff_client.get(f"/manage/shapes/versions/2/inside/{done.pk}/").status_code == 404


def test_a_job_of_another_kind_is_not_shown(staff_client: Client, version: ModelVersion) -> None:
    review = version.jobs.create(recognizer=version.recognizer, kind="review")

    assert staff_client.get(f"{INSIDE}{review.pk}/").status_code == 404


# --- its figures
def test_a_histogram_is_one_path_with_a_bar_for_each_bin_that_holds_something() -> None:
    path = inside.outline([0, 1, 1000, 0])

    assert path == "M35 32v-0.75h35v0.75zM70 32v-32h35v32z"


def test_the_chosen_layers_go_from_edges_to_wholes(done: Any) -> None:
    facts_of_seven = [facts(f"layer{number}") for number in range(7)]
    layers = inside.layers_of(InspectionResult.from_dict(RESULT | {"layers": facts_of_seven}))

    with override("en"):
        found = [(depth.title, len(depth.layers)) for depth in inside.depths(layers)]

    assert found == [("Edges and colours", 3), ("Textures and parts", 2), ("Whole things", 2)]


def test_the_latest_filters_are_found_for_the_versions_page(version: ModelVersion, done: Any) -> None:
    filters = inside.latest_filters(version)

    assert filters
    assert (filters.job, filters.filters.layer) == (done.pk, "conv2d")


def test_nothing_is_found_where_nobody_has_looked(version: ModelVersion, job: Job) -> None:
    assert inside.latest_filters(version) is None
