"""A run is asked for, watched and ended."""

from __future__ import annotations

import pytest
from django.utils import timezone

from training.config import TrainingConfig
from training.models import TrainingRun

pytestmark = pytest.mark.django_db
CONFIG = TrainingConfig.for_network("lenet5", {"epochs": 4})
EPOCH = {
    "loss": 0.5,
    "accuracy": 0.8,
    "val_loss": 0.6,
    "val_accuracy": 0.75,
    "learning_rate": 0.001,
    "pictures_per_second": 90.0,
    "seconds": 3.0,
}


def form_data(**changes):
    """What a browser sends when nobody changes anything but this."""
    stored = CONFIG.to_dict() | changes
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) and name != "augmentation" else value
        for name, value in stored.items()
    }


@pytest.fixture
def trainable(recognizer, add_pictures):
    add_pictures(recognizer, label="circle", count=5)
    add_pictures(recognizer, label="square", count=5)
    return recognizer


@pytest.fixture
def run(recognizer, staff):
    """A run in its second epoch of four."""
    run = recognizer.runs.create(
        config=CONFIG.to_dict(),
        started_by=staff,
        state=TrainingRun.State.TRAINING,
        lease=1,
        epochs_done=1,
        started_at=timezone.now(),
        heartbeat=timezone.now(),
        device="Some CPU × 2",
        log="epoch 1 is done",
    )
    run.epochs.create(number=1, **EPOCH)
    return run


@pytest.mark.parametrize(
    "address", ["/manage/shapes/train/", "/manage/runs/", "/manage/runs/1/", "/manage/runs/1/status/"]
)
def test_runs_are_for_staff(client, django_user_model, recognizer, address):
    assert client.get(address).url.startswith("/login/")
    client.force_login(django_user_model.objects.create_user("guest"), "django.contrib.auth.backends.ModelBackend")
    assert client.get(address).status_code == 403


def test_the_form_says_how_the_pictures_are_split(staff_client, trainable):
    page = staff_client.get("/manage/shapes/train/").content.decode()

    assert "10 pictures of 2 classes" in page
    assert "6 to train on" in page
    assert "Few pictures of: Circle (5), Square (5)" in page


def test_the_form_asks_only_for_what_the_network_uses(staff_client, trainable):
    page = staff_client.get("/manage/shapes/train/?network=mlp").content.decode()

    assert 'name="hidden_units"' in page
    assert 'name="head_epochs"' not in page


@pytest.mark.parametrize("query", ["network=none", "from=x", "from=99999999999999999999", "from=1"])
def test_an_unknown_network_or_run_gives_the_usual_form(staff_client, trainable, query):
    answer = staff_client.get(f"/manage/shapes/train/?{query}")

    assert answer.status_code == 200
    assert 'value="mobilenetv2"' in answer.content.decode()


def test_too_few_pictures_are_said_before_anything_starts(staff_client, recognizer):
    page = staff_client.get("/manage/shapes/train/").content.decode()

    assert "training needs at least 2" in page
    assert "disabled" in page


def test_starting_without_pictures_is_refused(staff_client, recognizer):
    answer = staff_client.post("/manage/shapes/train/", form_data())

    assert answer.status_code == 400
    assert "training needs at least 2" in answer.content.decode()
    assert not recognizer.runs.exists()


def test_a_run_is_started(staff_client, staff, trainable):
    answer = staff_client.post("/manage/shapes/train/", form_data(epochs=7, publish_when_done="on"))

    run = trainable.runs.get()
    assert answer.url == f"/manage/runs/{run.pk}/"
    assert (run.state, run.started_by, run.publish_when_done) == ("queued", staff, True)
    assert run.training_config == CONFIG.changed({"epochs": 7})


def test_starting_tells_a_worker(staff_client, trainable, django_capture_on_commit_callbacks, monkeypatch):
    nudged = []
    monkeypatch.setattr("training.queue.nudge", lambda task, pk: nudged.append(pk))

    with django_capture_on_commit_callbacks(execute=True):
        staff_client.post("/manage/shapes/train/", form_data())

    assert nudged == [trainable.runs.get().pk]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 0}, "expected 1 … 1000"),
        ({"epochs": "many"}, "whole number"),
        ({"learning_rate": "nan"}, "Enter a number"),
        ({"test_share": 0.5, "validation_share": 0.5}, "leave at least 0.3"),
        ({"image_size": 8}, "needs at least 20 pixels"),
        ({"network": "transformer"}, "transformer is not one of the available choices"),
        ({"augmentation": ["upside down"]}, "upside down is not one of the available choices"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(staff_client, trainable, changes, sentence):
    answer = staff_client.post("/manage/shapes/train/", form_data(**changes))

    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert not trainable.runs.exists()


def test_a_failed_run_is_run_again_with_its_settings(staff_client, trainable):
    run = trainable.runs.create(config=CONFIG.changed({"epochs": 77}).to_dict(), state=TrainingRun.State.FAILED)

    page = staff_client.get(f"/manage/shapes/train/?from={run.pk}").content.decode()

    assert 'value="77"' in page
    assert 'value="lenet5"' in page


def test_a_running_run_is_watched(staff_client, run):
    page = staff_client.get(f"/manage/runs/{run.pk}/").content.decode()

    assert "Expected end" in page
    assert "epoch 1 is done" in page
    assert "Cancel" in page


def test_the_status_says_what_changes(staff_client, run):
    status = staff_client.get(f"/manage/runs/{run.pk}/status/").json()

    assert status["state"] == "training"
    assert status["has_ended"] is False
    assert (status["epochs_done"], status["num_epochs"]) == (1, 4)
    assert status["epochs"][0]["val_accuracy"] == 0.75
    assert status["expected_end"] > timezone.now().isoformat()


def test_a_status_asks_few_questions(staff_client, run, django_assert_max_num_queries):
    for number in range(2, 50):
        run.epochs.create(number=number, **EPOCH)

    with django_assert_max_num_queries(6):
        staff_client.get(f"/manage/runs/{run.pk}/status/")


def test_a_failed_run_says_why_and_what_to_do(staff_client, run):
    sentence = {"template": "Out of memory at batch size %(size)d. Choose a smaller one.", "params": {"size": 32}}
    TrainingRun.objects.update(state=TrainingRun.State.FAILED, error_sentence=sentence)

    page = staff_client.get(f"/manage/runs/{run.pk}/").content.decode()

    assert "Out of memory at batch size 32. Choose a smaller one." in page
    assert f"/manage/shapes/train/?from={run.pk}" in page


def test_a_run_that_succeeded_offers_its_version(staff_client, recognizer, make_version):
    version = make_version(recognizer)

    page = staff_client.get(f"/manage/runs/{version.run.pk}/").content.decode()
    status = staff_client.get(f"/manage/runs/{version.run.pk}/status/").json()

    assert "/manage/shapes/versions/1/publish/" in page
    assert status["version_url"] == "/manage/shapes/versions/1/"


def test_a_running_run_is_asked_to_end(staff_client, run):
    staff_client.post(f"/manage/runs/{run.pk}/cancel/")

    run.refresh_from_db()
    assert run.cancel_requested


def test_a_run_that_has_ended_is_not_cancelled(staff_client, run):
    TrainingRun.objects.update(state=TrainingRun.State.SUCCEEDED)

    page = staff_client.post(f"/manage/runs/{run.pk}/cancel/", follow=True).content.decode()

    assert "had ended already" in page


def test_a_run_is_not_cancelled_by_a_link(staff_client, run):
    assert staff_client.get(f"/manage/runs/{run.pk}/cancel/").status_code == 405


def test_all_runs_are_listed_with_few_questions(staff_client, version, run, django_assert_max_num_queries):
    for _ in range(40):
        version.recognizer.runs.create(config=CONFIG.to_dict())

    with django_assert_max_num_queries(6):
        page = staff_client.get("/manage/runs/?page=2").content.decode()

    assert "Page 2 of 2" in page
    assert "training" in page
