"""A run is asked for, watched and ended."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.types import MakeVersion
from training.config import TrainingConfig
from training.devices import Device
from training.environment import environment_of
from training.models import Job, ModelVersion, Recognizer, TrainingRun, Worker
from training.results.candidate import Candidate

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


def form_data(**changes: Any) -> Any:
    """What a browser sends when nobody changes anything but this."""
    stored = CONFIG.to_dict() | changes
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) and name != "augmentation" else value
        for name, value in stored.items()
    }


@pytest.fixture
def run(recognizer: Recognizer, staff: User) -> Any:
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


@pytest.fixture
def queued(recognizer: Recognizer) -> Any:
    return recognizer.runs.create(config=CONFIG.to_dict())


@pytest.fixture
def make_worker() -> Any:
    def make(host: Any, *, num_gpus: Any = 0, seconds_ago: Any = 0) -> Any:
        now = timezone.now()
        return Worker.objects.create(
            name=f"train@{host}",
            host=host,
            device="A GPU" if num_gpus else "A CPU",
            num_gpus=num_gpus,
            num_cores=4,
            memory_bytes=8 * 2**30,
            started_at=now,
            seen_at=now - timedelta(seconds=seconds_ago),
        )

    return make


def keep_checkpoint(run: TrainingRun, epoch: Any, step: Any = 0) -> None:
    run.checkpoints.create(lease=1, epoch=epoch, step=step, file=f"checkpoints/{run.pk}/1-{epoch}", num_bytes=1)


def fail(run: TrainingRun, template: Any = "No space left.", **params: Any) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(
        state=TrainingRun.State.FAILED,
        ended_at=timezone.now(),
        error_sentence={"template": template, "params": params},
    )


def status_of(client: Client, run: TrainingRun) -> Any:
    return client.get(f"/manage/runs/{run.pk}/status/").json()


@pytest.mark.parametrize(
    "address", ["/manage/shapes/train/", "/manage/runs/", "/manage/runs/1/", "/manage/runs/1/status/"]
)
def test_runs_are_for_staff(client: Client, django_user_model: Any, recognizer: Recognizer, address: str) -> None:
    assert client.get(address).headers["Location"].startswith("/login/")
    client.force_login(django_user_model.objects.create_user("guest"), "django.contrib.auth.backends.ModelBackend")
    assert client.get(address).status_code == 403


def test_the_form_says_how_the_pictures_are_split(staff_client: Client, trainable: Any) -> None:
    page = staff_client.get("/manage/shapes/train/").content.decode()

    assert "10 pictures of 2 classes" in page
    assert "6 to learn from" in page
    assert "“Circle” has 5 pictures; with 20 or more its answers become reliable." in page


def test_the_form_asks_only_for_what_the_network_uses(staff_client: Client, trainable: Any) -> None:
    page = staff_client.get("/manage/shapes/train/?network=mlp").content.decode()

    assert 'name="hidden_units"' in page
    assert 'name="head_epochs"' not in page


@pytest.mark.parametrize("query", ["network=none", "from=x", "from=99999999999999999999", "from=1"])
def test_an_unknown_network_or_run_gives_the_usual_form(staff_client: Client, trainable: Any, query: Any) -> None:
    answer = staff_client.get(f"/manage/shapes/train/?{query}")

    assert answer.status_code == 200
    assert re.search(r'aria-current="true">\s*<strong>Let it choose', answer.content.decode())


def test_too_few_pictures_are_said_before_anything_starts(staff_client: Client, recognizer: Recognizer) -> None:
    page = staff_client.get("/manage/shapes/train/").content.decode()

    assert "training needs at least 2" in page
    assert "disabled" in page


def test_starting_without_pictures_is_refused(staff_client: Client, recognizer: Recognizer) -> None:
    answer = staff_client.post("/manage/shapes/train/", form_data())

    assert answer.status_code == 400
    assert "training needs at least 2" in answer.content.decode()
    assert not recognizer.runs.exists()


def test_a_run_is_started(staff_client: Client, staff: User, trainable: Any) -> None:
    answer = staff_client.post("/manage/shapes/train/", form_data(epochs=7, publish_when_done="on"))

    run = trainable.runs.get()
    assert answer.headers["Location"] == f"/manage/runs/{run.pk}/"
    assert (run.state, run.started_by, run.publish_when_done) == ("queued", staff, True)
    assert run.training_config == CONFIG.changed({"epochs": 7})


def test_starting_tells_a_worker(
    staff_client: Client, trainable: Any, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nudged = []
    monkeypatch.setattr("training.queue.nudge", lambda task, pk, **options: nudged.append(pk))

    with django_capture_on_commit_callbacks(execute=True):
        staff_client.post("/manage/shapes/train/", form_data())

    assert nudged == [trainable.runs.get().pk]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 0}, "expected 1 … 1000"),
        ({"epochs": "many"}, "whole number"),
        ({"learning_rate": "nan"}, "Enter a number"),
        ({"image_size": 8}, "needs at least 12 pixels"),
        ({"preset": "slow"}, "slow is not one of the available choices"),
        ({"network": "transformer"}, "transformer is not one of the available choices"),
        ({"augmentation": ["upside down"]}, "upside down is not one of the available choices"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(
    staff_client: Client, trainable: Any, changes: Any, sentence: Any
) -> None:
    answer = staff_client.post("/manage/shapes/train/", form_data(**changes))

    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert not trainable.runs.exists()


def test_a_failed_run_is_run_again_with_its_settings(staff_client: Client, trainable: Any) -> None:
    run = trainable.runs.create(config=CONFIG.changed({"epochs": 77}).to_dict())
    fail(run)

    page = staff_client.get(f"/manage/shapes/train/?from={run.pk}").content.decode()

    assert 'value="77"' in page
    assert 'value="lenet5"' in page


def test_a_running_run_is_watched(staff_client: Client, run: TrainingRun) -> None:
    page = staff_client.get(f"/manage/runs/{run.pk}/").content.decode()

    assert re.search(r'data-done-at >\s*Done at <time datetime="', page)
    assert "epoch 1 is done" in page
    assert "Cancel" in page


def test_the_status_says_what_changes(staff_client: Client, run: TrainingRun) -> None:
    status = staff_client.get(f"/manage/runs/{run.pk}/status/").json()

    assert status["state"] == "training"
    assert status["has_ended"] is False
    assert (status["epochs_done"], status["num_epochs"]) == (1, 4)
    assert status["epochs"][0]["val_accuracy"] == 0.75
    assert status["expected_end"] > timezone.now().isoformat()


def test_a_status_asks_few_questions(
    staff_client: Client, run: TrainingRun, django_assert_max_num_queries: Any
) -> None:
    for number in range(2, 50):
        run.epochs.create(number=number, **EPOCH)

    with django_assert_max_num_queries(6):
        staff_client.get(f"/manage/runs/{run.pk}/status/")


def test_a_failed_run_says_why_and_what_to_do(staff_client: Client, run: TrainingRun) -> None:
    fail(run, "Out of memory at batch size %(size)d. Choose a smaller one.", size=32)

    page = staff_client.get(f"/manage/runs/{run.pk}/").content.decode()

    assert "Out of memory at batch size 32. Choose a smaller one." in page
    assert f"/manage/shapes/train/?from={run.pk}" in page


def test_a_run_that_succeeded_offers_its_version(
    staff_client: Client, recognizer: Recognizer, make_version: MakeVersion
) -> None:
    version = make_version(recognizer)

    page = staff_client.get(f"/manage/runs/{version.run.pk}/").content.decode()
    status = staff_client.get(f"/manage/runs/{version.run.pk}/status/").json()

    assert "/manage/shapes/versions/1/publish/" in page
    assert status["version_url"] == "/manage/shapes/versions/1/"


def test_a_running_run_is_asked_to_end(staff_client: Client, run: TrainingRun) -> None:
    staff_client.post(f"/manage/runs/{run.pk}/cancel/")

    run.refresh_from_db()
    assert run.cancel_requested


def test_a_run_that_has_ended_is_not_cancelled(staff_client: Client, run: TrainingRun) -> None:
    fail(run)

    page = staff_client.post(f"/manage/runs/{run.pk}/cancel/", follow=True).content.decode()

    assert "had ended already" in page


def test_a_run_is_not_cancelled_by_a_link(staff_client: Client, run: TrainingRun) -> None:
    assert staff_client.get(f"/manage/runs/{run.pk}/cancel/").status_code == 405


def test_all_runs_are_listed_with_few_questions(
    staff_client: Client, version: ModelVersion, run: TrainingRun, django_assert_max_num_queries: Any
) -> None:
    for _ in range(40):
        version.recognizer.runs.create(config=CONFIG.to_dict())

    with django_assert_max_num_queries(7):
        page = staff_client.get("/manage/runs/?page=2").content.decode()

    assert "Page 2 of 2" in page
    assert "training" in page


# --- workers, and what a run waits for
def test_a_run_that_waits_says_who_could_take_it(staff_client: Client, queued: Any, make_worker: Any) -> None:
    make_worker("alpha")
    make_worker("silent", seconds_ago=61)

    page = staff_client.get(f"/manage/runs/{queued.pk}/").content.decode()

    assert "It waits for a worker." in page
    assert "alpha · A CPU" in page
    assert "silent" not in page


def test_without_a_worker_the_page_says_how_to_start_one(staff_client: Client, queued: Any) -> None:
    assert "Start one on a training host with “honcho start worker”" in status_of(staff_client, queued)["waits_for"]
    assert "Start one on a training host" in staff_client.get("/manage/runs/").content.decode()


@pytest.mark.parametrize(
    ("num_gpus", "sentence"),
    [
        (0, "It waits for a worker with a GPU; none has reported for a minute."),
        (1, "It waits for a worker with a GPU."),
    ],
)
def test_a_run_that_waits_for_a_gpu_says_so(
    staff_client: Client, queued: Any, make_worker: Any, num_gpus: Any, sentence: Any
) -> None:
    TrainingRun.objects.update(needs_gpu=True)
    make_worker("alpha")
    make_worker("beta", num_gpus=num_gpus)

    assert status_of(staff_client, queued)["waits_for"] == sentence


def test_runs_before_it_are_counted_where_no_worker_is_free(
    staff_client: Client, run: TrainingRun, queued: Any, make_worker: Any
) -> None:
    make_worker("alpha")
    TrainingRun.objects.filter(pk=run.pk).update(owner="train@alpha")
    later = queued.recognizer.runs.create(config=CONFIG.to_dict())

    assert status_of(staff_client, queued)["waits_for"] == "1 run is before it."
    assert status_of(staff_client, later)["waits_for"] == "2 runs are before it."

    make_worker("beta")
    assert status_of(staff_client, queued)["waits_for"] == "It waits for a worker."


def test_a_run_that_waits_for_a_gpu_in_vain_is_before_nobody(
    staff_client: Client, queued: Any, make_worker: Any
) -> None:
    make_worker("alpha")
    TrainingRun.objects.update(needs_gpu=True)
    later = queued.recognizer.runs.create(config=CONFIG.to_dict())

    assert status_of(staff_client, later)["waits_for"] == "It waits for a worker."


def test_a_working_run_waits_for_nobody(staff_client: Client, run: TrainingRun, make_worker: Any) -> None:
    make_worker("alpha")

    assert (status_of(staff_client, run)["waits_for"], status_of(staff_client, run)["workers"]) == ("", [])


def test_the_workers_are_listed_with_what_each_carries_out(
    staff_client: Client, run: TrainingRun, make_worker: Any
) -> None:
    make_worker("alpha", num_gpus=1)
    make_worker("silent", seconds_ago=61)
    TrainingRun.objects.update(owner="train@alpha")

    page = staff_client.get("/manage/runs/").content.decode()

    workers = page[page.index("Workers") :]
    assert "train@alpha" in workers
    assert "A GPU" in workers
    assert f'<a href="/manage/runs/{run.pk}/">Run {run.pk}</a>' in workers
    assert "silent" not in workers


def test_a_run_may_ask_for_a_gpu(staff_client: Client, trainable: Any) -> None:
    staff_client.post("/manage/shapes/train/", form_data(needs_gpu="on"))

    assert trainable.runs.get().needs_gpu


def test_the_form_says_whether_a_worker_has_a_gpu(staff_client: Client, trainable: Any, make_worker: Any) -> None:
    assert "No worker with a GPU is running now" in staff_client.get("/manage/shapes/train/").content.decode()

    make_worker("beta", num_gpus=1)

    assert "One is running: A GPU on beta." in staff_client.get("/manage/shapes/train/").content.decode()


def test_a_run_that_is_changed_asks_for_a_gpu_as_before(staff_client: Client, trainable: Any, queued: Any) -> None:
    TrainingRun.objects.update(needs_gpu=True)

    page = staff_client.get(f"/manage/shapes/train/?from={queued.pk}").content.decode()

    assert re.search(r'<input type="checkbox" name="needs_gpu"[^>]* checked', page)


# --- cut off, and going on
CUT_OFF = {"template": "The trainer was killed.", "params": {}}


@pytest.mark.parametrize(
    ("checkpoint", "sentence"),
    [
        ((3, 0), "It was cut off: The trainer was killed. It goes on after epoch 3."),
        ((0, 20), "It was cut off: The trainer was killed. It goes on within its first epoch."),
        (None, "It was cut off: The trainer was killed. It begins again."),
    ],
)
def test_a_run_that_was_cut_off_says_why_and_how_it_goes_on(
    staff_client: Client, queued: Any, checkpoint: Any, sentence: Any
) -> None:
    TrainingRun.objects.update(interruption_sentence=CUT_OFF)
    if checkpoint:
        keep_checkpoint(queued, *checkpoint)

    assert status_of(staff_client, queued)["goes_on"] == sentence
    assert sentence in staff_client.get(f"/manage/runs/{queued.pk}/").content.decode()


@pytest.mark.parametrize(
    ("resumed_from", "why", "sentence"),
    [
        (3, CUT_OFF, "Goes on after epoch 3, after an interruption: The trainer was killed."),
        (0, CUT_OFF, "Begins again after an interruption: The trainer was killed."),
        (3, {}, "Goes on after epoch 3."),  # its worker was stopped in good order
        (0, {}, ""),
    ],
)
def test_a_run_that_goes_on_says_from_where(
    staff_client: Client, run: TrainingRun, resumed_from: Any, why: Any, sentence: Any
) -> None:
    TrainingRun.objects.update(resumed_from=resumed_from, interruption_sentence=why)

    assert status_of(staff_client, run)["goes_on"] == sentence


def test_a_run_that_was_given_back_says_from_where_it_will_go_on(staff_client: Client, queued: Any) -> None:
    keep_checkpoint(queued, 3)

    assert status_of(staff_client, queued)["goes_on"] == "It goes on after epoch 3."


def test_a_failed_run_of_which_something_is_kept_goes_on(
    staff_client: Client, run: TrainingRun, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    nudged = []
    monkeypatch.setattr(TrainingRun, "nudge", lambda run: nudged.append(run.pk))
    fail(run)
    keep_checkpoint(run, 1)
    assert "Go on after epoch 1" in staff_client.get(f"/manage/runs/{run.pk}/").content.decode()

    with django_capture_on_commit_callbacks(execute=True):
        staff_client.post(f"/manage/runs/{run.pk}/go-on/")

    run.refresh_from_db()
    assert (run.state, nudged) == ("queued", [run.pk])


def test_a_failed_run_of_which_nothing_is_kept_cannot_go_on(staff_client: Client, run: TrainingRun) -> None:
    fail(run)

    page = staff_client.post(f"/manage/runs/{run.pk}/go-on/", follow=True).content.decode()

    assert "The run cannot go on" in page
    assert "go-on" not in page


def test_a_run_does_not_go_on_by_a_link_or_for_a_visitor(
    client: Client, staff_client: Client, run: TrainingRun, django_user_model: Any
) -> None:
    assert staff_client.get(f"/manage/runs/{run.pk}/go-on/").status_code == 405
    client.logout()
    assert client.post(f"/manage/runs/{run.pk}/go-on/").headers["Location"].startswith("/login/")


# --- once more
def test_a_run_is_run_again_with_the_same_settings_and_is_not_published(
    staff_client: Client,
    staff: User,
    run: TrainingRun,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    nudged = []
    monkeypatch.setattr(TrainingRun, "nudge", lambda run: nudged.append(run.pk))
    choice = {"template": "It won.", "params": {}}
    TrainingRun.objects.update(preset="quick", needs_gpu=True, publish_when_done=True, choice_sentence=choice)
    fail(run)

    with django_capture_on_commit_callbacks(execute=True):
        answer = staff_client.post(f"/manage/runs/{run.pk}/run-again/")

    again = TrainingRun.objects.first()
    assert (answer.headers["Location"], nudged) == (f"/manage/runs/{again.pk}/", [again.pk])
    assert again.training_config == run.training_config
    assert (again.preset, again.needs_gpu, again.publish_when_done) == ("quick", True, False)
    assert (again.state, again.started_by, again.choice) == ("queued", staff, "It won.")


def test_a_run_whose_network_was_never_picked_is_run_again_with_a_race(staff_client: Client, run: TrainingRun) -> None:
    TrainingRun.objects.update(preset="quick", is_network_open=True)

    staff_client.post(f"/manage/runs/{run.pk}/run-again/")

    assert TrainingRun.objects.first().is_network_open


def test_a_run_with_settings_of_another_release_is_not_run_again(staff_client: Client, run: TrainingRun) -> None:
    TrainingRun.objects.update(config=run.config | {"number_of_moons": 3})
    fail(run)

    page = staff_client.post(f"/manage/runs/{run.pk}/run-again/", follow=True).content.decode()

    assert "no setting “number_of_moons”" in page
    assert TrainingRun.objects.count() == 1


def test_a_run_is_not_run_again_by_a_link_or_for_a_visitor(
    client: Client, staff_client: Client, run: TrainingRun
) -> None:
    assert staff_client.get(f"/manage/runs/{run.pk}/run-again/").status_code == 405
    client.logout()
    assert client.post(f"/manage/runs/{run.pk}/run-again/").headers["Location"].startswith("/login/")


# --- why this network, its parts, and what it was made with
def test_a_run_says_why_its_network_was_picked(staff_client: Client, run: TrainingRun) -> None:
    choice = {"template": "MobileNetV2 is right on %(share)d of 100.", "params": {"share": 93}}
    TrainingRun.objects.update(preset="balanced", choice_sentence=choice)

    page = staff_client.get(f"/manage/runs/{run.pk}/").content.decode()

    assert "Began from the preset “Balanced”." in page
    assert "MobileNetV2 is right on 93 of 100." in page


def test_a_run_whose_network_is_open_says_that_a_race_picks_it(staff_client: Client, queued: Any) -> None:
    TrainingRun.objects.update(preset="quick", is_network_open=True)

    assert "The network is chosen before" in status_of(staff_client, queued)["choice"]
    assert "not chosen yet" in staff_client.get("/manage/runs/").content.decode()


def test_the_parts_of_an_attempt_say_how_long_each_took(staff_client: Client, run: TrainingRun) -> None:
    began = run.started_at
    assert began is not None
    parts = {
        "choosing": began.isoformat(),
        "preparing": (began + timedelta(seconds=40)).isoformat(),
        "training": (began + timedelta(seconds=45)).isoformat(),
    }
    TrainingRun.objects.update(environment={"parts": parts})

    shown = status_of(staff_client, run)["parts"]

    assert [(part["title"], part["length"], part["is_current"]) for part in shown] == [
        ("Choosing a network", "40 s", False),
        ("Preparing pictures", "5 s", False),
        ("Learning", "", True),
        ("Preparing to answer", "", False),
        ("Testing", "", False),
    ]
    assert "Choosing a network" in staff_client.get(f"/manage/runs/{run.pk}/").content.decode()


def test_while_a_network_is_chosen_the_end_is_foretold_by_the_dry_run(staff_client: Client, choosing: Any) -> None:
    choosing.epochs.all().delete()
    TrainingRun.objects.update(preset="balanced", is_network_open=True, epochs_done=0)
    assert status_of(staff_client, choosing)["expected_end"] is None

    result = {"expected_seconds": 30.0, "largest_batch": 64, "device": "A CPU", "presets": {"balanced": 250.0}}
    choosing.recognizer.jobs.create(
        kind=Job.Kind.DRY_RUN, params={}, state=Job.State.DONE, ended_at=timezone.now(), lease=1, result=result
    )

    end = datetime.fromisoformat(status_of(staff_client, choosing)["expected_end"])
    assert end == pytest.approx(choosing.started_at + timedelta(seconds=250), abs=timedelta(seconds=1))


def test_where_the_candidates_tell_it_the_choice_is_not_said_again(staff_client: Client, run: TrainingRun) -> None:
    candidates = [{"network": "cnn", "state": "done", "done": 1.0, "accuracy": 0.9, "is_chosen": True}]
    TrainingRun.objects.update(choice_sentence={"template": "cnn won.", "params": {}}, candidates=candidates)

    status = status_of(staff_client, run)

    assert (status["choice"], status["candidates"][0]["note"]) == ("", "chosen")


def test_pictures_are_shown_whose_answers_turn(staff_client: Client, run: TrainingRun, add_pictures: Any) -> None:
    add_pictures(run.recognizer, count=3)
    pictures = run.recognizer.pictures.order_by("pk")[:3]
    answers = [["square", "circle"], ["circle", "square"], ["circle", "circle"]]
    watched = [
        {"sha256": picture.sha256, "label": "circle", "answers": said}
        for picture, said in zip(pictures, answers, strict=True)
    ]
    gone = {"sha256": "0" * 64, "label": "circle", "answers": ["circle"]}
    TrainingRun.objects.update(watched=[*watched, gone])

    shown = status_of(staff_client, run)["watched"]

    assert [(each["is_right"], each["note"]) for each in shown] == [
        (True, "was taken for Square"),
        (False, "is Circle"),
        (True, ""),
    ]
    assert [each["image"] for each in shown] == [f"/manage/pictures/{picture.pk}/file/" for picture in pictures]
    page = staff_client.get(f"/manage/runs/{run.pk}/").content.decode()
    assert page.count('<li data-state="right">') == 2


def test_a_run_of_an_earlier_release_tested_and_prepared_in_one_part(staff_client: Client, run: TrainingRun) -> None:
    began = timezone.now() - timedelta(seconds=65)
    parts = {"training": began.isoformat(), "evaluating": (began + timedelta(seconds=5)).isoformat()}
    TrainingRun.objects.update(environment={"parts": parts})

    titles = [part["title"] for part in status_of(staff_client, run)["parts"]]

    assert titles == ["Preparing pictures", "Learning", "Testing, and preparing to answer"]


def test_a_run_that_is_done_waits_for_nothing(staff_client: Client, run: TrainingRun) -> None:
    began = timezone.now()
    TrainingRun.objects.update(
        state=TrainingRun.State.SUCCEEDED, ended_at=began, environment={"parts": {"preparing": began.isoformat()}}
    )

    assert [part["state"] for part in status_of(staff_client, run)["parts"]] == ["done"]


def test_the_part_at_work_says_how_far_it_is_and_how_long_it_has_taken(staff_client: Client, run: TrainingRun) -> None:
    began = timezone.now() - timedelta(seconds=65)
    TrainingRun.objects.update(environment={"parts": {"training": began.isoformat()}})

    part = next(each for each in status_of(staff_client, run)["parts"] if each["is_current"])

    assert (part["done"], part["detail"], part["state"]) == (0.25, "1 / 4 epochs", "works")
    assert 65 <= part["elapsed"] < 95
    page = staff_client.get(f"/manage/runs/{run.pk}/").content.decode()
    assert 'value="0.250" aria-label="Learning"' in page
    assert re.search(r"<span [^>]*data-length>1:\d\d</span>", page)


def test_a_part_without_a_share_has_a_bar_without_a_value(staff_client: Client, run: TrainingRun) -> None:
    TrainingRun.objects.update(environment={"parts": {"preparing": timezone.now().isoformat()}}, epochs_done=0)

    page = staff_client.get(f"/manage/runs/{run.pk}/").content.decode()

    assert re.search(r'<progress max="1"\s+aria-label="Preparing pictures"\s*></progress>', page)


def test_the_part_in_which_a_run_failed_is_not_called_done(staff_client: Client, run: TrainingRun) -> None:
    began = timezone.now() - timedelta(seconds=65)
    parts = {"preparing": began.isoformat(), "training": (began + timedelta(seconds=5)).isoformat()}
    TrainingRun.objects.update(environment={"parts": parts})
    fail(run)

    states = [part["state"] for part in status_of(staff_client, run)["parts"]]

    assert states == ["done", "stopped", "waits", "waits"]


@pytest.fixture
def choosing(run: TrainingRun) -> Any:
    """It has tried one network, is at the second, and has left one out."""
    TrainingRun.objects.update(
        environment={"parts": {"choosing": timezone.now().isoformat()}},
        candidates=[
            Candidate("mobilenetv2", "done", 1.0, 0.91).to_dict(),
            Candidate("efficientnetlite2", "works", 0.5, 0.934, seconds_left=19.0).to_dict(),
            Candidate("cnn", "left_out").to_dict(),
        ],
    )
    return run


def test_networks_are_listed_while_one_is_chosen(staff_client: Client, choosing: Any) -> None:
    status = status_of(staff_client, choosing)

    assert [(each["title"], each["figure"], each["note"], each["done"]) for each in status["candidates"]] == [
        ("MobileNetV2", "91\N{NO-BREAK SPACE}% right", "", 1.0),
        ("EfficientNet-Lite2", "93\N{NO-BREAK SPACE}% right", "about 20 s left", 0.5),
        ("CNN", "", "not needed", 0.0),
    ]
    assert status["parts"][0]["done"] == 0.75
    assert "about 20 s left" in staff_client.get(f"/manage/runs/{choosing.pk}/").content.decode()


def test_the_network_that_was_chosen_is_named_among_the_others(staff_client: Client, choosing: Any) -> None:
    chosen = Candidate("cnn", "done", 1.0, 0.97, is_chosen=True)
    TrainingRun.objects.update(candidates=[Candidate("resnet50", "done", 1.0, 0.9).to_dict(), chosen.to_dict()])

    first, second = status_of(staff_client, choosing)["candidates"]

    assert (first["is_chosen"], second["is_chosen"], second["note"]) == (False, True, "chosen")
    assert " data-chosen>" in staff_client.get(f"/manage/runs/{choosing.pk}/").content.decode()


def test_an_end_that_has_passed_is_not_foretold(staff_client: Client, run: TrainingRun) -> None:
    run.epochs.update(at=timezone.now() - timedelta(minutes=5))

    assert status_of(staff_client, run)["expected_end"] is None
    assert "data-done-at hidden" in staff_client.get(f"/manage/runs/{run.pk}/").content.decode()


def test_a_run_that_waits_says_for_how_long(staff_client: Client, queued: Any) -> None:
    TrainingRun.objects.update(created_at=timezone.now() - timedelta(seconds=40))

    assert 40 <= status_of(staff_client, queued)["waited"] < 70


def test_a_run_of_an_earlier_release_has_no_parts(staff_client: Client, run: TrainingRun) -> None:
    assert status_of(staff_client, run)["parts"] == []


def test_a_run_says_what_it_was_made_with(staff_client: Client, run: TrainingRun) -> None:
    environment = environment_of(Device("cpu", "Some CPU × 2"))
    TrainingRun.objects.update(environment=environment, manifest_sha256="f" * 64)

    page = staff_client.get(f"/manage/runs/{run.pk}/").content.decode()

    assert environment["tensorflow"] in page
    assert "f" * 64 in page


def test_a_run_whose_version_was_deleted_says_so(staff_client: Client, run: TrainingRun) -> None:
    TrainingRun.objects.update(state=TrainingRun.State.SUCCEEDED, ended_at=timezone.now())

    assert "Its version was deleted." in staff_client.get(f"/manage/runs/{run.pk}/").content.decode()
    assert staff_client.get("/manage/runs/").status_code == 200
