from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from classifier.models import Prediction
from tests.types import PictureBytes
from tests.webapp.uploads import BAD_FILES, upload
from training.config import TrainingConfig
from training.config.presets import preset_config
from training.models import ModelVersion, Recognizer, TrainingRun

CLASSIFY = "/api/v1/recognizers/shapes/classify"
RUNS = "/api/v1/recognizers/shapes/runs"


def post(client: Client, data: Any, address: str = RUNS, **options: Any) -> Any:
    return client.post(address, data, content_type="application/json", **options)


# --- for anyone
def test_a_picture_is_answered(client: Client, version: ModelVersion, picture_bytes: PictureBytes) -> None:
    answer = client.post(CLASSIFY, {"file": upload(picture_bytes("circle"))}).json()

    assert set(answer) == {"recognizer", "version", "label", "scores"}
    assert (answer["recognizer"], answer["version"], answer["label"]) == ("shapes", 1, "circle")
    assert [(score["label"], score["name"]) for score in answer["scores"]] == [
        ("circle", "Circle"),
        ("square", "Square"),
    ]
    assert sum(score["probability"] for score in answer["scores"]) == pytest.approx(1, abs=1e-3)


def test_names_come_in_the_language_asked_for(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    answer = client.post(
        CLASSIFY, {"file": upload(picture_bytes("circle"))}, headers={"Accept-Language": "zh-CN,zh;q=0.9"}
    )

    assert answer.json()["scores"][0]["name"] == "圆"


def test_an_answer_is_recorded_as_given_by_the_api(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    client.post(CLASSIFY, {"file": upload(picture_bytes())})

    assert Prediction.objects.get().source == "api"


def test_classifying_needs_no_token(version: ModelVersion, picture_bytes: PictureBytes) -> None:
    answer = Client(enforce_csrf_checks=True).post(CLASSIFY, {"file": upload(picture_bytes())})

    assert answer.status_code == 200


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_in_plain_words(client: Client, version: ModelVersion, name: str) -> None:
    make, status, words = BAD_FILES[name]

    answer = client.post(CLASSIFY, {"file": upload(make())})

    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_a_request_without_a_file_is_refused(client: Client, version: ModelVersion) -> None:
    answer = client.post(CLASSIFY)

    assert answer.status_code == 400
    assert "There is no picture" in answer.json()["detail"]


def test_text_in_place_of_the_file_is_refused(client: Client, version: ModelVersion) -> None:
    answer = client.post(CLASSIFY, {"file": "hello"})

    assert answer.status_code == 400
    assert "There is no picture" in answer.json()["detail"]


def test_a_malformed_form_is_refused(client: Client, version: ModelVersion) -> None:
    answer = client.post(CLASSIFY, b"hello", content_type="multipart/form-data")

    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_more_files_than_a_form_may_have_are_refused(client: Client, version: ModelVersion, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 1

    answer = client.post(CLASSIFY, {"file": upload(b"a"), "more": SimpleUploadedFile("b", b"b")})

    assert answer.status_code == 400
    assert "malformed" in answer.json()["detail"]


def test_without_a_version_nothing_is_answered(
    client: Client, recognizer: Recognizer, picture_bytes: PictureBytes
) -> None:
    answer = client.post(CLASSIFY, {"file": upload(picture_bytes())})

    assert answer.status_code == 409
    assert "no published version" in answer.json()["detail"]


def test_a_version_whose_files_are_gone_is_unavailable(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    version.files.serving_model[0].unlink()

    assert client.post(CLASSIFY, {"file": upload(picture_bytes())}).status_code == 503


def test_a_private_or_unknown_recognizer_is_not_there(
    client: Client, recognizer: Recognizer, version: ModelVersion, picture_bytes: PictureBytes
) -> None:
    recognizer.is_public = False
    recognizer.save()

    for address in (CLASSIFY, CLASSIFY.replace("shapes", "nothing")):
        answer = client.post(address, {"file": upload(picture_bytes())})
        assert answer.status_code == 404
        assert answer.json()["detail"]
    assert client.get("/api/v1/recognizers").json() == []


def test_the_list_says_what_can_be_recognized(
    client: Client, version: ModelVersion, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(3):
        answer = client.get("/api/v1/recognizers")

    labels = [{"key": "circle", "name": "Circle"}, {"key": "square", "name": "Square"}]
    assert answer.json() == [
        {"slug": "shapes", "name": "Shapes", "description": "Circles and squares", "labels": labels, "version": 1}
    ]


def test_the_description_of_the_api_names_every_training_setting(client: Client, db: None) -> None:
    schema = client.get("/api/v1/openapi.json").json()

    body = schema["paths"]["/api/v1/recognizers/{slug}/runs"]["post"]["requestBody"]
    settings = body["content"]["application/json"]["schema"]["properties"]
    assert settings["epochs"]["maximum"] == 1000
    assert {"publish_when_done", "needs_gpu"} <= set(settings)
    assert settings["preset"]["enum"] == ["", "quick", "balanced", "thorough"]


def test_the_page_about_the_api_brings_its_own_scripts(client: Client, db: None) -> None:
    page = client.get("/api/v1/docs").content.decode()

    assert "/static/ninja/swagger-ui-bundle" in page
    assert "https://" not in page
    assert 'data-api-csrf="true"' in page  # so that staff can try a run there


# --- for staff
def test_staff_start_a_run(staff_client: Client, staff: User, recognizer: Recognizer) -> None:
    answer = post(staff_client, {"network": "cnn", "epochs": 2, "publish_when_done": True})

    run = TrainingRun.objects.get()
    assert answer.status_code == 201
    assert (answer.json()["id"], answer.json()["state"]) == (run.pk, "queued")
    assert (run.config["network"], run.config["epochs"], run.config["image_size"]) == ("cnn", 2, 96)
    assert (run.publish_when_done, run.started_by) == (True, staff)


def test_a_run_may_wait_for_a_gpu(staff_client: Client, recognizer: Recognizer) -> None:
    answer = post(staff_client, {"network": "cnn", "needs_gpu": True})

    assert answer.json()["needs_gpu"] is True
    assert TrainingRun.objects.get().needs_gpu


def test_a_preset_without_a_network_starts_a_race(staff_client: Client, recognizer: Recognizer) -> None:
    answer = post(staff_client, {"preset": "quick", "seed": 4}).json()

    run = TrainingRun.objects.get()
    assert (run.preset, run.is_network_open, run.config["seed"]) == ("quick", True, 4)
    assert (answer["preset"], answer["is_network_open"], answer["choice"]) == ("quick", True, "")


def test_a_preset_of_a_network_is_changed_by_settings(staff_client: Client, recognizer: Recognizer) -> None:
    post(staff_client, {"preset": "thorough", "network": "cnn", "batch_size": 8})

    run = TrainingRun.objects.get()
    assert (run.preset, run.is_network_open) == ("thorough", False)
    assert run.training_config == preset_config("thorough", "cnn").changed({"batch_size": 8})


def test_a_client_of_an_earlier_release_still_starts_a_run(staff_client: Client, recognizer: Recognizer) -> None:
    """The shares of the split were settings of a run; the recognizer has them now."""
    answer = post(staff_client, {"epochs": 6, "validation_share": 0.2, "test_share": 0.2})

    assert answer.status_code == 201
    assert answer.json()["config"]["network"] == "efficientnetlite0"


def test_a_flip_of_what_may_not_be_mirrored_starts_nothing(staff_client: Client, recognizer: Recognizer) -> None:
    recognizer.is_mirror_safe = False
    recognizer.save()

    answer = post(staff_client, {"network": "cnn", "augmentation": ["flip"]})

    assert (answer.status_code, TrainingRun.objects.count()) == (400, 0)
    assert "mirrored picture" in answer.json()["detail"]


def test_a_started_run_is_nudged(
    staff_client: Client,
    recognizer: Recognizer,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    nudged = []
    monkeypatch.setattr(TrainingRun, "nudge", lambda run: nudged.append(run.pk))

    with django_capture_on_commit_callbacks(execute=True):
        post(staff_client, {"network": "cnn"})

    assert nudged == [TrainingRun.objects.get().pk]


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"epocs": 3}, "epocs"),
        ({"epochs": 0}, "1 … 1000"),
        ({"network": "vgg"}, "mobilenetv2"),
        ({"network": ["cnn"]}, "network"),
        ({"preset": "slow"}, "quick, balanced, thorough"),
        ({"preset": "quick", "epochs": 3}, "epochs is settled when the network is chosen"),
        ({"publish_when_done": "yes"}, "publish_when_done must be true or false"),
        ({"needs_gpu": 1}, "needs_gpu must be true or false"),
    ],
)
def test_a_wrong_setting_starts_nothing(staff_client: Client, recognizer: Recognizer, chosen: Any, words: Any) -> None:
    answer = post(staff_client, chosen)

    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize("body", ["[1]", "{", ""])
def test_a_body_that_is_no_object_starts_nothing(staff_client: Client, recognizer: Recognizer, body: Any) -> None:
    answer = post(staff_client, body)

    assert answer.status_code == 400
    assert isinstance(answer.json()["detail"], str)


def test_a_visitor_cannot_start_a_run(client: Client, recognizer: Recognizer) -> None:
    answer = post(client, {"network": "cnn"})

    assert answer.status_code == 401
    assert "Sign in" in answer.json()["detail"]


def test_an_account_that_is_not_staff_cannot_start_a_run(client: Client, recognizer: Recognizer) -> None:
    client.force_login(User.objects.create_user("guest"), backend="django.contrib.auth.backends.ModelBackend")

    assert post(client, {"network": "cnn"}).status_code == 403


def test_starting_a_run_needs_a_token(staff: User, recognizer: Recognizer) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")

    assert post(client, {"network": "cnn"}).status_code == 403


def test_staff_see_how_a_run_goes(staff_client: Client, version: ModelVersion) -> None:
    run = version.run
    run.epochs.create(
        number=1,
        loss=0.5,
        accuracy=0.8,
        val_loss=0.6,
        val_accuracy=0.7,
        learning_rate=0.001,
        pictures_per_second=90,
        seconds=2,
    )

    answer = staff_client.get(f"/api/v1/runs/{run.pk}").json()

    assert (answer["state"], answer["version"], answer["error"]) == ("succeeded", 1, "")
    assert answer["epochs"][0]["val_accuracy"] == 0.7
    assert answer["config"] == json.loads(json.dumps(run.config))


@pytest.fixture
def failed(recognizer: Recognizer) -> Any:
    """A run of which two epochs are kept."""
    run = recognizer.runs.create(
        config=TrainingConfig().to_dict(),
        state=TrainingRun.State.FAILED,
        ended_at=timezone.now(),
        error_sentence={"template": "No space left.", "params": {}},
    )
    run.checkpoints.create(lease=1, epoch=2, file="checkpoints/1/1-2", num_bytes=1)
    return run


def test_a_failed_run_goes_on(staff_client: Client, failed: Any) -> None:
    assert staff_client.get(f"/api/v1/runs/{failed.pk}").json()["can_go_on"] is True

    answer = staff_client.post(f"/api/v1/runs/{failed.pk}/go-on").json()

    assert (answer["state"], answer["interruption"]) == ("queued", "No space left.")
    assert (answer["attempts"], answer["can_go_on"]) == (0, False)


def test_a_run_of_which_nothing_is_kept_cannot_go_on(staff_client: Client, failed: Any) -> None:
    failed.checkpoints.all().delete()

    answer = staff_client.post(f"/api/v1/runs/{failed.pk}/go-on")

    assert answer.status_code == 409
    assert "cannot go on" in answer.json()["detail"]


def test_a_visitor_cannot_let_a_run_go_on(client: Client, failed: Any) -> None:
    assert client.post(f"/api/v1/runs/{failed.pk}/go-on").status_code == 401


def test_a_visitor_sees_no_run(client: Client, version: ModelVersion) -> None:
    assert client.get(f"/api/v1/runs/{version.run_id}").status_code == 401


def test_an_unknown_run_is_not_there(staff_client: Client) -> None:
    assert staff_client.get("/api/v1/runs/77").status_code == 404
    assert staff_client.get(f"/api/v1/runs/{10**30}").status_code == 404
