from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.drawings import SHAPES
from training.config import TrainingConfig
from training.config.search_space import read_space, to_dict
from training.errors import TrainingError, TrialPruned, WrongConfig
from training.models import Picture, Recognizer, Study, TrainingRun, Worker
from training.runs import search as search_module
from training.runs import training_run
from training.runs.reconciler import reconcile
from training.runs.search import Trial, begin_trial, make_tables, opened

# Optuna's own connections read what was committed.
pytestmark = pytest.mark.django_db(transaction=True)

State = TrainingRun.State
BASE = TrainingConfig.for_network("mlp", {"image_size": 8, "epochs": 5, "hidden_units": (4,)})


@pytest.fixture
def make_study(recognizer: Recognizer) -> Callable[..., Study]:
    def make(space: dict[str, Any] | None = None, *, max_runs: int | None = 20, **values: Any) -> Study:
        checked = read_space(space or {"learning_rate": "0.001 .. 0.1", "optimizer": "sgd | adam"}, BASE)
        return Study.objects.create(
            recognizer=recognizer, config=BASE.to_dict(), space=to_dict(checked), max_runs=max_runs, **values
        )

    return make


@pytest.fixture
def study(make_study: Callable[..., Study]) -> Study:
    return make_study()


@pytest.fixture
def make_worker() -> Callable[[str], Worker]:
    now = timezone.now()
    values = {"host": "host", "device": "CPU", "num_cores": 2, "memory_bytes": 1, "started_at": now, "seen_at": now}
    return lambda name: Worker.objects.create(name=name, **values)


def claimed(study: Study) -> TrainingRun:
    """The study's next trial, as a worker has it."""
    study.move_on()
    run = study.trials.queued().first()
    assert run.claim("host:1")
    return TrainingRun.objects.get(pk=run.pk)


def result(number: int, val_accuracy: float) -> Any:
    """What the trainer tells of an epoch, made without TensorFlow."""
    figures = dict.fromkeys(("loss", "accuracy", "val_loss", "learning_rate", "pictures_per_second", "seconds"), 0.5)
    return SimpleNamespace(number=number, val_accuracy=val_accuracy, **figures)


def learn(trial: Trial, *val_accuracies: float) -> None:
    """Goes through epochs of a trial as the trainer does."""
    report = training_run.TrialReport(trial)
    for number, val_accuracy in enumerate(val_accuracies, start=1):
        report.epoch(result(number, val_accuracy))


def carried_out(study: Study, *val_accuracies: float) -> TrainingRun:
    """A whole trial."""
    trial = begin_trial(claimed(study))
    learn(trial, *val_accuracies)
    trial.end(State.SUCCEEDED)
    trial.run.refresh_from_db()
    return trial.run


def optuna_states(study: Study) -> list[str]:
    with opened(study, make_tables()) as search:
        return [trial.state.name for trial in search.trials]


# --- a trial


def test_a_trial_gets_its_own_combination_and_ends_with_its_best_epoch(study: Study) -> None:
    first, second = carried_out(study, 0.5, 0.7, 0.6), carried_out(study, 0.4)

    assert (first.trial_number, first.state, first.value) == (0, State.SUCCEEDED, 0.7)
    assert 0.001 <= first.training_config.learning_rate <= 0.1
    assert first.config != second.config
    assert optuna_states(study) == ["COMPLETE", "COMPLETE"]


def test_the_same_study_draws_the_same_combinations_again(make_study: Callable[..., Study]) -> None:
    drawn = [[carried_out(study, 0.5).config for _ in range(2)] for study in (make_study(), make_study())]

    assert drawn[0] == drawn[1]


def test_the_first_trials_lie_far_apart(make_study: Callable[..., Study]) -> None:
    study = make_study({"dropout": "0 .. 0.5", "learning_rate": "0.0001 .. 0.01"})

    dropouts = [carried_out(study, 0.5).training_config.dropout for _ in range(3)]

    assert max(dropouts) - min(dropouts) > 0.1


def test_a_trial_that_was_cut_off_goes_on_with_its_combination(study: Study) -> None:
    before = begin_trial(claimed(study))
    learn(before, 0.5)
    before.run.interrupt(TrainingError("Killed."))

    after = begin_trial(claimed(study))

    assert (after.run.pk, after.run.config) == (before.run.pk, before.run.config)
    learn(after, 0.5, 0.6)  # the first epoch once more
    assert optuna_states(study) == ["RUNNING"]


def test_two_workers_share_a_study(study: Study) -> None:
    trials = []
    for _ in range(2):
        run = study.recognizer.runs.create(config=study.config, study=study)
        run.claim("host:1")
        trials.append(begin_trial(run))

    assert [trial.run.trial_number for trial in trials] == [0, 1]
    assert trials[0].run.config != trials[1].run.config


WORKER = """
import sys, django
django.setup()
from types import SimpleNamespace
from training.runs import training_run
from training.errors import TrialPruned
from training.models import Study, TrainingRun
study = Study.objects.get()
figures = dict.fromkeys(("loss", "accuracy", "val_loss", "learning_rate", "pictures_per_second", "seconds"), 0.5)
while study.state == study.State.SEARCHING:
    study.move_on()
    study.refresh_from_db()
    run = study.trials.queued().first()
    if run is None or not run.claim(sys.argv[1]):
        continue
    trial, state = training_run.begin_trial(run), run.State.SUCCEEDED
    try:
        for number in range(1, 6):
            training_run.TrialReport(trial).epoch(SimpleNamespace(number=number, val_accuracy=number / 10, **figures))
    except TrialPruned:
        state = run.State.PRUNED
    trial.end(state)
"""


@pytest.mark.usefixtures("_real_processes")
def test_processes_that_work_at_once_disturb_no_study(
    make_study: Callable[..., Study], make_worker: Callable[[str], Worker]
) -> None:
    study = make_study(max_runs=6)
    names = [make_worker(name).name for name in "ab"]

    workers = [subprocess.Popen([sys.executable, "-c", WORKER, name]) for name in names]

    assert [worker.wait() for worker in workers] == [0, 0]
    trials = study.trials.order_by("trial_number")
    assert [run.trial_number for run in trials] == list(range(6))
    assert {run.epochs_done for run in trials} == {5}
    assert optuna_states(study) == ["COMPLETE"] * 6


def test_a_hopeless_trial_ends_early(study: Study) -> None:
    for _ in range(5):
        carried_out(study, 0.5, 0.6, 0.7)

    with pytest.raises(TrialPruned, match="epoch 2: at that point half of the other trials had done better"):
        learn(begin_trial(claimed(study)), 0.5, 0.1)


def test_a_trial_ends_when_the_minutes_are_over(make_study: Callable[..., Study]) -> None:
    study = make_study(max_runs=None, max_minutes=10)
    trial = begin_trial(claimed(study))
    TrainingRun.objects.update(started_at=timezone.now() - timedelta(minutes=11))

    with pytest.raises(TrialPruned, match="epoch 1: the minutes of its search are over"):
        learn(trial, 0.5)


def test_a_trial_never_looks_at_the_test_pictures(study: Study) -> None:
    report = training_run.TrialReport(begin_trial(claimed(study)))

    with pytest.raises(training_run.TrialOver):
        report.stage("evaluating")


def test_an_impossible_combination_is_refused_and_not_sought_again(make_study: Callable[..., Study]) -> None:
    make_study({"learning_rate": "0.001 .. 0.1"})
    Study.objects.update(space={"learning_rate": {"low": 20, "high": 30, "is_log": True}})
    run = claimed(Study.objects.get())

    with pytest.raises(WrongConfig, match="This combination cannot be trained: learning_rate is “2"):
        begin_trial(run)

    run.refresh_from_db()
    assert (run.trial_number, run.training_config) == (0, BASE)
    assert optuna_states(Study.objects.get()) == ["PRUNED"]


def test_it_is_said_how_much_each_setting_matters(study: Study) -> None:
    for _ in range(search_module.MIN_TRIALS_TO_WEIGH):
        run = claimed(study)
        trial = begin_trial(run)
        training_run.RowReport(run).epoch(result(1, min(1, 8 * trial.run.training_config.learning_rate)))
        trial.end(State.SUCCEEDED)

    importances = Study.objects.get().importances
    assert next(iter(importances)) == "learning_rate"
    assert sum(importances.values()) == pytest.approx(1)


# --- Optuna's tables follow the rows


def test_what_ended_without_its_trainer_is_told_before_the_next_draw(study: Study) -> None:
    begin_trial(claimed(study)).run.fail(TrainingError("No use."))

    carried_out(study, 0.5)

    assert optuna_states(study) == ["FAIL", "COMPLETE"]


def test_a_number_that_was_drawn_by_a_process_that_died_is_given_up(study: Study) -> None:
    with opened(study, make_tables()) as search:
        search.ask()

    assert carried_out(study, 0.5).trial_number == 1
    assert optuna_states(study) == ["FAIL", "COMPLETE"]


@pytest.mark.parametrize("half", [False, True])
def test_a_restored_study_is_made_again_from_its_rows(half: bool, study: Study) -> None:
    import optuna

    done = carried_out(study, 0.5, 0.7)
    begin_trial(claimed(study)).run.fail(TrainingError("No use."))
    working = begin_trial(claimed(study))
    tables = make_tables()
    with search_module._connected(tables):
        optuna.delete_study(study_name=study.storage_name, storage=tables)
        if half:  # whoever made it again was killed
            optuna.create_study(study_name=study.storage_name, storage=tables)

    with opened(study, make_tables()) as search:
        first = search.trials[0]

    assert optuna_states(study) == ["COMPLETE", "FAIL", "RUNNING"]
    assert (first.value, first.intermediate_values) == (0.7, {1: 0.5, 2: 0.7})
    assert first.params["learning_rate"] == done.config["learning_rate"]
    again = TrainingRun.objects.get(pk=working.run.pk)
    learn(begin_trial(again), 0.5)


def test_what_is_kept_of_a_deleted_study_goes(study: Study, make_study: Callable[..., Study]) -> None:
    import optuna

    carried_out(study, 0.5)
    name = study.storage_name
    study.delete()
    carried_out(make_study(), 0.5)

    tables = make_tables()
    with search_module._connected(tables):
        assert name not in optuna.get_all_study_names(tables)


def test_a_database_that_is_away_is_said_in_djangos_words() -> None:
    from optuna.exceptions import StorageInternalError

    with pytest.raises(OperationalError, match="locked"), search_module._outages_as_djangos():
        raise StorageInternalError("locked")


def test_addresses_keep_odd_characters(tmp_path: Path) -> None:
    url, _ = search_module.database_address({"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "a%7B{b}?"})
    other, options = search_module.database_address(
        {"ENGINE": "django.db.backends.postgresql", "NAME": "d", "USER": "u", "PASSWORD": "a@b{c}", "HOST": "h"}
        | {"PORT": "", "OPTIONS": {"connect_timeout": 5}}
    )

    assert "{" not in url + other
    assert other.startswith("postgresql+psycopg://u:a%40b")
    assert options == {"connect_timeout": 5}


# --- the study


def test_as_many_trials_wait_as_there_are_workers(study: Study, make_worker: Callable[[str], Worker]) -> None:
    make_worker("a")
    make_worker("b")

    study.move_on()
    study.move_on()

    assert study.trials.queued().count() == 2


def test_the_best_combination_trains_once_more_when_the_runs_are_spent(make_study: Callable[..., Study]) -> None:
    study = make_study(max_runs=2, publish_when_done=True)
    carried_out(study, 0.5)
    best = carried_out(study, 0.7)

    study.move_on()
    study.move_on()

    study.refresh_from_db()
    assert (study.state, study.best_run) == (Study.State.FINISHING, best)
    final = study.final_run
    assert (final.config, final.study, final.publish_when_done, final.state) == (best.config, None, True, State.QUEUED)


def test_a_spent_budget_waits_for_the_trials_that_work(make_study: Callable[..., Study]) -> None:
    study = make_study(max_runs=1)
    claimed(study)

    study.move_on()

    assert Study.objects.get().state == Study.State.SEARCHING
    assert study.trials.count() == 1


def test_when_the_minutes_are_over_what_waits_is_taken_back(make_study: Callable[..., Study]) -> None:
    study = make_study(max_runs=None, max_minutes=10)
    carried_out(study, 0.5)
    study.move_on()
    TrainingRun.objects.filter(value=0.5).update(started_at=timezone.now() - timedelta(minutes=11))

    study.move_on()

    assert [run.state for run in study.trials.order_by("pk")] == [State.SUCCEEDED, State.CANCELLED]
    assert Study.objects.get().state == Study.State.FINISHING


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (State.SUCCEEDED, Study.State.DONE),
        (State.CANCELLED, Study.State.CANCELLED),
        (State.FAILED, Study.State.FAILED),
    ],
)
def test_a_study_ends_as_its_last_run_does(state: str, outcome: str, make_study: Callable[..., Study]) -> None:
    study = make_study(max_runs=1)
    carried_out(study, 0.5)
    study.move_on()
    TrainingRun.objects.filter(study=None).update(state=state, lease=1, ended_at=timezone.now())

    study.move_on()

    study.refresh_from_db()
    assert (study.state, study.ended_at is not None) == (outcome, True)


def test_a_study_whose_trials_all_failed_says_why(study: Study) -> None:
    for _ in range(Study.FAILURES_IN_A_ROW):
        claimed(study).fail(TrainingError("There are no pictures."))

    study.move_on()

    study.refresh_from_db()
    assert study.state == Study.State.FAILED
    assert study.error == "None of 8 trials came to a result. The last one said: There are no pictures."


def test_a_cancelled_study_ends_with_all_its_runs(study: Study) -> None:
    working = claimed(study)
    waiting = study.recognizer.runs.create(config=study.config, study=study)

    assert study.request_cancel()
    assert not study.request_cancel()

    for run in (working, waiting):
        run.refresh_from_db()
    assert (working.cancel_requested, waiting.state) == (True, State.CANCELLED)
    study.move_on()
    assert study.trials.count() == 2


def test_the_reconciler_moves_a_stalled_study_on(study: Study) -> None:
    reconcile()

    assert study.trials.queued().count() == 1


@pytest.mark.keras
def test_a_search_ends_with_a_version_of_the_best_combination(
    recognizer: Recognizer, make_study: Callable[..., Study], add_pictures: Callable[..., list[Picture]]
) -> None:
    for shape in SHAPES:
        add_pictures(recognizer, label=shape, count=12)
    study = make_study(max_runs=2)
    for _ in range(2):
        training_run.train_trial(claimed(study))
    study.move_on()
    study.refresh_from_db()
    final = study.final_run
    final.claim("host:1")

    training_run.train_run(final)
    study.move_on()

    study.refresh_from_db()
    assert study.state == Study.State.DONE
    assert list(recognizer.versions.values_list("run", flat=True)) == [final.pk]
    assert max(final.epochs.values_list("val_accuracy", flat=True)) == study.best_run.value
    assert [run.epochs_done for run in study.trials.filter(state=State.SUCCEEDED)] == [5, 5]
    assert not study.trials.filter(checkpoints__isnull=False).exists()
