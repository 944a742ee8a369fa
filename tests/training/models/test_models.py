from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone, translation

from tests.types import AddPictures, MakeVersion
from training.artifacts.files import sha256_of
from training.artifacts.version_files import H5_NAME, SERVING_MODEL_NAMES
from training.config import TrainingConfig
from training.errors import BrokenArtifact, LeaseLost, NotPublishable, TrainerDied, TrainingError, UnknownRecognizer
from training.evaluation.epochs import EpochResult
from training.models import Label, ModelVersion, Recognizer, TrainingRun
from training.models.versions import roll_back, version_before

State = TrainingRun.State
CUT_OFF = TrainerDied("The power went.")


@pytest.fixture
def run(recognizer: Recognizer) -> TrainingRun:
    return recognizer.runs.create(config=TrainingConfig.for_network("cnn", {"epochs": 10}).to_dict())


@pytest.fixture
def claimed(run: TrainingRun) -> TrainingRun:
    assert run.claim("host:1")
    return run


def seen_by_another(run: TrainingRun) -> TrainingRun:
    return TrainingRun.objects.get(pk=run.pk)


def epoch(number: int, seconds: float = 10) -> EpochResult:
    figures = {"loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7}
    return EpochResult(number=number, seconds=seconds, learning_rate=0.001, pictures_per_second=100.0, **figures)


def version_of(run: TrainingRun) -> ModelVersion:
    """A row that has not been saved yet."""
    files = {
        "folder": "versions/new",
        "h5_sha256": "0",
        "h5_bytes": 1,
        "serving_model_sha256": "0",
        "serving_model_difference": 0,
    }
    figures = {"class_names": ["circle", "square"], "image_size": 24, "num_weights": 1, "test_accuracy": 1}
    return ModelVersion(recognizer=run.recognizer, run=run, evaluation={}, **files, **figures)


# --- who holds a run


def test_of_two_workers_that_claim_a_run_one_wins(run: TrainingRun) -> None:
    rival = seen_by_another(run)

    assert [run.claim("one:1"), rival.claim("two:2")] == [True, False]

    run.refresh_from_db()
    assert (run.state, run.owner, run.lease, run.attempts) == (State.PREPARING, "one:1", 1, 1)


def test_a_run_that_was_cancelled_while_it_waited_cannot_be_claimed(run: TrainingRun) -> None:
    run.request_cancel()

    assert not run.claim("host:1")


def test_beginning_anew_forgets_the_epochs_of_which_nothing_is_left(claimed: TrainingRun) -> None:
    for number in (1, 2, 3):
        claimed.record_epoch(epoch(number))
    claimed.interrupt(CUT_OFF)
    claimed.claim("host:2")

    claimed.begin_at(2)

    claimed.refresh_from_db()
    assert (claimed.lease, claimed.attempts, claimed.epochs_done, claimed.resumed_from) == (2, 2, 2, 2)
    assert [each.number for each in claimed.epochs.all()] == [1, 2]


def test_a_run_that_needs_a_gpu_waits_for_a_worker_that_has_one(run: TrainingRun) -> None:
    TrainingRun.objects.update(needs_gpu=True)

    assert [run.claim("cpu:1"), run.claim("gpu:1", has_gpu=True)] == [False, True]


def test_every_write_of_the_holder_is_a_heartbeat(claimed: TrainingRun) -> None:
    TrainingRun.objects.update(heartbeat=timezone.now() - timedelta(hours=1))

    claimed.write(device="CPU")

    assert not TrainingRun.objects.orphaned().exists()


def test_a_write_after_another_took_over_raises(claimed: TrainingRun) -> None:
    claimed.refresh_from_db()
    claimed.interrupt(CUT_OFF)
    seen_by_another(claimed).claim("two:2")

    with pytest.raises(LeaseLost):
        claimed.write(device="CPU")
    with pytest.raises(LeaseLost):
        claimed.record_epoch(epoch(1))

    assert claimed.epochs.count() == 0


def test_who_lost_its_lease_can_neither_end_the_run_nor_give_it_back(claimed: TrainingRun) -> None:
    claimed.interrupt(CUT_OFF)
    seen_by_another(claimed).claim("two:2")

    ended = [
        claimed.fail(TrainingError("No.")),
        claimed.end_cancelled(),
        claimed.requeue(),
        claimed.interrupt(CUT_OFF),
    ]

    assert ended == [False, False, False, False]
    assert seen_by_another(claimed).state == State.PREPARING


def test_the_log_of_who_lost_its_lease_is_not_kept(claimed: TrainingRun) -> None:
    claimed.interrupt(CUT_OFF)
    seen_by_another(claimed).claim("two:2")

    claimed.add_to_log("from the past")

    assert seen_by_another(claimed).log == ""


def test_only_the_end_of_a_long_log_is_kept(claimed: TrainingRun) -> None:
    claimed.add_to_log("x" * 30_000 + "the end")

    assert len(seen_by_another(claimed).log) == TrainingRun.LOG_CHARACTERS
    assert seen_by_another(claimed).log.endswith("the end")


def test_an_epoch_is_kept_with_the_progress(claimed: TrainingRun) -> None:
    claimed.record_epoch(epoch(1))
    claimed.record_epoch(epoch(2))

    stored = seen_by_another(claimed)
    assert (stored.state, stored.epochs_done) == (State.TRAINING, 2)
    assert [each.number for each in stored.epochs.all()] == [1, 2]


# --- how a run ends


def test_success_gives_the_next_number(claimed: TrainingRun, recognizer: Recognizer, make_version: MakeVersion) -> None:
    make_version(recognizer)
    version = version_of(claimed)

    claimed.succeed(version)

    assert (version.number, seen_by_another(claimed).state) == (2, State.SUCCEEDED)


def test_numbers_are_counted_by_recognizer(claimed: TrainingRun, make_version: MakeVersion) -> None:
    other = Recognizer.objects.create(slug="other", name_en="Other")
    make_version(other)
    version = version_of(claimed)

    claimed.succeed(version)

    assert version.number == 1


def test_success_without_the_lease_leaves_no_version(claimed: TrainingRun) -> None:
    claimed.interrupt(CUT_OFF)

    with pytest.raises(LeaseLost):
        claimed.succeed(version_of(claimed))

    assert not ModelVersion.objects.exists()


def test_the_first_end_of_a_run_stays(claimed: TrainingRun) -> None:
    ended = [claimed.fail(TrainingError("Too bad.")), claimed.end_cancelled(), claimed.fail(TrainingError("Worse."))]

    assert ended == [True, False, False]
    assert (seen_by_another(claimed).state, seen_by_another(claimed).error) == (State.FAILED, "Too bad.")


def test_a_waiting_run_is_cancelled_at_once(run: TrainingRun) -> None:
    assert run.request_cancel()

    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert run.ended_at is not None


def test_a_running_one_is_asked_to_end(claimed: TrainingRun) -> None:
    assert claimed.request_cancel()

    claimed.refresh_from_db()
    assert (claimed.state, claimed.cancel_requested) == (State.PREPARING, True)


def test_an_ended_run_cannot_be_cancelled(claimed: TrainingRun) -> None:
    claimed.fail(TrainingError("Too bad."))

    assert not claimed.request_cancel()
    assert seen_by_another(claimed).state == State.FAILED


def test_giving_a_run_back_does_not_count_as_an_attempt(claimed: TrainingRun) -> None:
    assert claimed.requeue()

    claimed.refresh_from_db()
    assert (claimed.state, claimed.attempts, claimed.owner) == (State.QUEUED, 0, "")


def test_a_run_that_speaks_again_is_not_queued_anew(claimed: TrainingRun) -> None:
    found_silent = seen_by_another(claimed)
    claimed.write(device="CPU")

    assert not found_silent.interrupt(CUT_OFF, silent_since=found_silent.heartbeat)
    assert seen_by_another(claimed).state == State.PREPARING


def test_of_two_reconcilers_one_queues_a_run_anew(claimed: TrainingRun) -> None:
    one, other = seen_by_another(claimed), seen_by_another(claimed)

    assert [one.interrupt(CUT_OFF), other.interrupt(CUT_OFF)] == [True, False]


def test_a_run_that_was_just_cancelled_is_not_given_back(claimed: TrainingRun) -> None:
    claimed.request_cancel()

    assert not claimed.requeue()
    assert seen_by_another(claimed).state == State.PREPARING


def test_a_run_that_is_cut_off_waits_again_and_says_why(claimed: TrainingRun) -> None:
    assert claimed.interrupt(CUT_OFF)

    claimed.refresh_from_db()
    assert (claimed.state, claimed.owner, claimed.interruption) == (State.QUEUED, "", "The power went.")


def test_a_run_that_was_to_be_cancelled_does_not_wait_again(claimed: TrainingRun) -> None:
    claimed.request_cancel()

    assert claimed.interrupt(CUT_OFF)
    assert seen_by_another(claimed).state == State.CANCELLED


def test_a_run_that_is_cut_off_three_times_has_failed_with_the_last_reason(claimed: TrainingRun) -> None:
    for host in ("host:2", "host:3"):
        claimed.interrupt(CUT_OFF)
        claimed.claim(host)

    claimed.interrupt(CUT_OFF)

    claimed.refresh_from_db()
    assert (claimed.state, claimed.error) == (
        State.FAILED,
        "Stopped 3 times in a row; last reason: The power went.",
    )


# --- what it had learned


def checkpoint(number: int) -> dict[str, Any]:
    return {"epoch": number, "step": 0, "file": f"checkpoints/{number}", "sha256": "0", "num_bytes": 1}


def test_the_last_two_checkpoints_are_kept(claimed: TrainingRun) -> None:
    outdated = [claimed.record_checkpoint(**checkpoint(number)) for number in (1, 2, 3)]

    assert outdated == [[], [], ["checkpoints/1"]]
    assert [each.epoch for each in claimed.checkpoints.all()] == [3, 2]


def test_who_lost_its_lease_keeps_no_checkpoint(claimed: TrainingRun) -> None:
    claimed.interrupt(CUT_OFF)

    with pytest.raises(LeaseLost):
        claimed.record_checkpoint(**checkpoint(1))

    assert not claimed.checkpoints.exists()


def test_a_failed_run_goes_on_from_what_it_had_learned(claimed: TrainingRun) -> None:
    claimed.record_checkpoint(**checkpoint(1))
    claimed.fail(TrainingError("No space."))
    claimed.refresh_from_db()

    assert claimed.go_on()

    claimed.refresh_from_db()
    assert (claimed.state, claimed.attempts, claimed.interruption) == (State.QUEUED, 0, "No space.")


def test_a_failed_run_of_which_nothing_is_kept_cannot_go_on(claimed: TrainingRun) -> None:
    claimed.fail(TrainingError("No space."))
    claimed.refresh_from_db()

    assert not claimed.go_on()


def test_only_silence_makes_an_orphan(claimed: TrainingRun, recognizer: Recognizer) -> None:
    silent = recognizer.runs.create(config=claimed.config)
    silent.claim("host:2")
    TrainingRun.objects.filter(pk=silent.pk).update(heartbeat=timezone.now() - TrainingRun.STALE_AFTER * 1.1)

    assert list(TrainingRun.objects.orphaned()) == [silent]


# --- what a page shows of a run


def test_the_end_is_expected_going_by_the_last_epoch(claimed: TrainingRun) -> None:
    claimed.record_epoch(epoch(4, seconds=30))
    claimed.refresh_from_db()

    expected = claimed.expected_end()

    assert expected is not None
    assert expected - claimed.epochs.get().at == timedelta(seconds=30 * 6)


def test_no_end_is_expected_before_the_first_epoch_or_after_the_last(claimed: TrainingRun) -> None:
    assert claimed.expected_end() is None

    claimed.record_epoch(epoch(1))
    claimed.fail(TrainingError("Too bad."))
    claimed.refresh_from_db()

    assert claimed.expected_end() is None


def test_epochs_of_an_attempt_that_was_cut_off_say_nothing_about_the_end(claimed: TrainingRun) -> None:
    claimed.record_epoch(epoch(4))
    claimed.interrupt(CUT_OFF)
    claimed.claim("host:2")

    assert claimed.expected_end() is None

    claimed.begin_at(4)
    claimed.write(state=State.TRAINING)
    claimed.refresh_from_db()
    assert claimed.expected_end() is None


def test_epochs_of_the_head_alone_say_nothing_about_the_end(recognizer: Recognizer) -> None:
    config = TrainingConfig.for_network("mobilenetv2", {"epochs": 9, "head_epochs": 3})
    run = recognizer.runs.create(config=config.to_dict())
    run.claim("host:1")

    expected = []
    for number in (3, 4):
        run.record_epoch(epoch(number))
        run.refresh_from_db()
        expected.append(run.expected_end() is not None)

    assert expected == [False, True]


def test_an_error_is_said_in_the_language_of_the_reader(claimed: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.messages._translate", lambda text: f"{translation.get_language()}: {text}")
    claimed.fail(TrainingError("%(count)d pictures.", count=3))
    claimed.refresh_from_db()

    with translation.override("zh-hans"):
        assert claimed.error == "zh-hans: 3 pictures."
    assert claimed.error == "en: 3 pictures."


@pytest.mark.parametrize(("language", "name"), [("en", "Shapes"), ("zh-hans", "形状")])
def test_a_name_is_read_in_the_readers_language(language: str, name: str, recognizer: Recognizer) -> None:
    with translation.override(language):
        assert recognizer.name == name


def test_a_missing_name_falls_back_to_the_other_language_and_then_to_the_key() -> None:
    with translation.override("zh-hans"):
        assert Label(key="paper_cup", name_en="Paper cup").name == "Paper cup"
        assert Label(key="paper_cup").name == "paper cup"
    assert Label(key="paper_cup", name_zh="纸杯").name == "纸杯"


def test_an_unknown_recognizer_is_refused_with_the_known_ones(recognizer: Recognizer) -> None:
    with pytest.raises(UnknownRecognizer, match=r"“birds”\. There are: shapes"):
        Recognizer.objects.named("birds")


# --- what the database itself refuses


def test_two_active_versions_are_impossible(recognizer: Recognizer, make_version: MakeVersion) -> None:
    make_version(recognizer)
    make_version(recognizer)

    with pytest.raises(IntegrityError), transaction.atomic():
        recognizer.versions.update(is_active=True)


def test_two_labels_of_one_key_are_impossible(recognizer: Recognizer) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        recognizer.labels.create(key="circle")


def test_the_same_picture_twice_is_impossible(recognizer: Recognizer, add_pictures: AddPictures) -> None:
    (picture,) = add_pictures(recognizer)
    picture.pk = None
    picture._state.adding = True

    with pytest.raises(IntegrityError), transaction.atomic():
        picture.save(force_insert=True)


def test_an_unknown_state_is_impossible(run: TrainingRun) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRun.objects.update(state="sleeping")


@pytest.mark.parametrize(
    "impossible",
    [
        {"state": State.TRAINING, "heartbeat": timezone.now()},
        {"state": State.TRAINING, "lease": 1},
        {"state": State.FAILED},
        {"ended_at": timezone.now()},
    ],
    ids=["working but not claimed", "working without a heartbeat", "ended at no time", "waiting though ended"],
)
def test_an_impossible_row_is_refused(impossible: dict[str, object], run: TrainingRun) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRun.objects.update(**impossible)


@pytest.mark.django_db
def test_a_recognizer_without_any_name_is_impossible() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Recognizer.objects.create(slug="nameless")


# --- which version answers


def test_publishing_takes_the_place_of_the_version_before(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)

    newer.publish(None, "better with dark shapes")

    assert recognizer.versions.active() == newer
    activation = recognizer.activations.first()
    assert activation is not None
    assert (activation.version, activation.previous, activation.reason) == (newer, version, "better with dark shapes")


def test_the_version_in_use_cannot_be_published_again(version: ModelVersion) -> None:
    with pytest.raises(NotPublishable, match="Version 1 is in use already"):
        version.publish(None)


def test_rolling_back_twice_leads_further_back(recognizer: Recognizer, make_version: MakeVersion) -> None:
    first, second, third = (make_version(recognizer) for _ in range(3))
    for each in (first, second, third):
        each.publish(None)

    assert roll_back(recognizer, None, "worse") == second
    assert roll_back(recognizer, None, "worse still") == first
    assert recognizer.versions.active() == first


def test_after_a_roll_back_and_a_publication_the_way_back_is_the_one_in_use_before(
    recognizer: Recognizer, make_version: MakeVersion
) -> None:
    first, second, third = (make_version(recognizer) for _ in range(3))
    first.publish(None)
    second.publish(None)
    roll_back(recognizer, None, "")

    third.publish(None)

    assert version_before(recognizer) == first


def test_with_nothing_before_there_is_no_way_back(recognizer: Recognizer, version: ModelVersion) -> None:
    with pytest.raises(NotPublishable, match="no earlier version"):
        roll_back(recognizer, None, "")

    assert recognizer.versions.active() == version


@pytest.mark.parametrize("name", [H5_NAME, *SERVING_MODEL_NAMES])
@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_version_with_a_harmed_file_is_not_published_and_the_old_one_stays(
    name: str, harm: str, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)
    path = next(path for path in (newer.files.h5, *newer.files.serving_model) if path.name == name)
    path.write_bytes(path.read_bytes()[:-1] + b"?") if harm == "changed" else path.unlink()

    with pytest.raises(BrokenArtifact, match=rf"{name}.* (is missing|has changed)"):
        newer.publish(None)

    assert recognizer.versions.active() == version
    assert recognizer.activations.count() == 1
    assert name in recognizer.versions.get(pk=newer.pk).trouble


def test_a_twin_that_does_not_answer_the_h5s_own_test_is_not_published(
    recognizer: Recognizer, make_version: MakeVersion
) -> None:
    version = make_version(recognizer)
    weights = np.frombuffer(version.files.serving_model[1].read_bytes(), np.float32)
    halved = np.where(np.abs(weights) > 1e-30, weights / 2, weights)  # the tiny ones are whole numbers: axes and shapes
    version.files.serving_model[1].write_bytes(halved.tobytes())
    version.serving_model_sha256 = sha256_of(*version.files.serving_model)

    with pytest.raises(
        BrokenArtifact, match=r"serving_model\.xml \+ serving_model\.bin answers the picture kept with it otherwise"
    ):
        version.publish(None)


def test_a_twin_of_pictures_of_another_size_is_not_published(version: ModelVersion) -> None:
    golden = version.files.golden()
    larger = golden._replace(pixels=np.zeros((40, 40, 3), np.uint8))

    with pytest.raises(BrokenArtifact, match="cannot be opened"):
        larger.check(version.files.open_serving_model(), "serving_model.xml")


def test_what_stood_in_the_way_of_a_publication_is_forgotten_when_it_succeeds(
    recognizer: Recognizer, make_version: MakeVersion
) -> None:
    version = make_version(recognizer)
    whole = version.files.h5.read_bytes()
    version.files.h5.write_bytes(b"")
    with pytest.raises(BrokenArtifact):
        version.publish(None)

    version.files.h5.write_bytes(whole)
    version.publish(None)

    version.refresh_from_db()
    assert (version.is_active, version.trouble) == (True, "")


def test_activating_leaves_everything_as_it_was_when_its_transaction_fails(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)

    with transaction.atomic():
        newer.activate(None)
        transaction.set_rollback(True)

    assert recognizer.versions.active() == version
    assert recognizer.activations.count() == 1
    assert not newer.is_active


def test_a_version_that_was_deleted_meanwhile_is_not_published(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)
    newer.files.verify()
    ModelVersion.objects.filter(pk=newer.pk).delete()

    with pytest.raises(NotPublishable, match="Version 2 was deleted meanwhile"), transaction.atomic():
        newer.activate(None)

    assert recognizer.versions.active() == version
