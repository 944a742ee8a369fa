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
from tests.types import AddPictures
from training.config import TrainingConfig
from training.config.search_space import read_space, to_dict
from training.errors import TrainingError, TrialPruned, WrongConfig
from training.models import Recognizer, Search, TrainingRun, Worker
from training.runs import search as search_module
from training.runs import training_run
from training.runs.reconciler import reconcile
from training.runs.search import Trial, begin_trial, make_tables, opened

# Optuna's own connections read what was committed.
pytestmark = pytest.mark.django_db(transaction=True)

State = TrainingRun.State
BASE = TrainingConfig.for_network("mlp", {"image_size": 8, "epochs": 5, "hidden_units": (4,)})


@pytest.fixture
def make_search(recognizer: Recognizer) -> Callable[..., Search]:
    def make(space: dict[str, Any] | None = None, *, max_runs: int | None = 20, **values: Any) -> Search:
        checked = read_space(space or {"learning_rate": "0.001 .. 0.1", "optimizer": "sgd | adam"}, BASE)
        return Search.objects.create(
            recognizer=recognizer, config=BASE.to_dict(), space=to_dict(checked), max_runs=max_runs, **values
        )

    return make


@pytest.fixture
def search(make_search: Callable[..., Search]) -> Search:
    return make_search()


@pytest.fixture
def make_worker() -> Callable[[str], Worker]:
    now = timezone.now()
    values = {"host": "host", "device": "CPU", "num_cores": 2, "memory_bytes": 1, "started_at": now, "seen_at": now}
    return lambda name: Worker.objects.create(name=name, **values)


def claimed(search: Search) -> TrainingRun:
    """The search's next trial, as a worker has it."""
    search.move_on()
    run = search.trials.queued().first()
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


def carried_out(search: Search, *val_accuracies: float) -> TrainingRun:
    """A whole trial."""
    trial = begin_trial(claimed(search))
    learn(trial, *val_accuracies)
    trial.end(State.SUCCEEDED)
    trial.run.refresh_from_db()
    return trial.run


def optuna_states(search: Search) -> list[str]:
    with opened(search, make_tables()) as study:
        return [trial.state.name for trial in study.trials]


# --- a trial


def test_a_trial_gets_its_own_combination_and_ends_with_its_best_epoch(search: Search) -> None:
    first, second = carried_out(search, 0.5, 0.7, 0.6), carried_out(search, 0.4)

    assert (first.trial_number, first.state, first.value) == (0, State.SUCCEEDED, 0.7)
    assert 0.001 <= first.training_config.learning_rate <= 0.1
    assert first.config != second.config
    assert optuna_states(search) == ["COMPLETE", "COMPLETE"]


def test_the_same_search_draws_the_same_combinations_again(make_search: Callable[..., Search]) -> None:
    drawn = [[carried_out(search, 0.5).config for _ in range(2)] for search in (make_search(), make_search())]

    assert drawn[0] == drawn[1]


def test_the_first_trials_lie_far_apart(make_search: Callable[..., Search]) -> None:
    search = make_search({"dropout": "0 .. 0.5", "learning_rate": "0.0001 .. 0.01"})

    dropouts = [carried_out(search, 0.5).training_config.dropout for _ in range(3)]

    assert max(dropouts) - min(dropouts) > 0.1


def test_a_trial_that_was_cut_off_goes_on_with_its_combination(search: Search) -> None:
    before = begin_trial(claimed(search))
    learn(before, 0.5)
    before.run.interrupt(TrainingError("Killed."))

    after = begin_trial(claimed(search))

    assert (after.run.pk, after.run.config) == (before.run.pk, before.run.config)
    learn(after, 0.5, 0.6)  # the first epoch once more
    assert optuna_states(search) == ["RUNNING"]


def test_two_workers_share_a_search(search: Search) -> None:
    trials = []
    for _ in range(2):
        run = search.recognizer.runs.create(config=search.config, search=search)
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
from training.models import Search, TrainingRun
search = Search.objects.get()
figures = dict.fromkeys(("loss", "accuracy", "val_loss", "learning_rate", "pictures_per_second", "seconds"), 0.5)
while search.state == search.State.SEARCHING:
    search.move_on()
    search.refresh_from_db()
    run = search.trials.queued().first()
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
def test_processes_that_work_at_once_disturb_no_search(
    make_search: Callable[..., Search], make_worker: Callable[[str], Worker]
) -> None:
    search = make_search(max_runs=6)
    names = [make_worker(name).name for name in "ab"]

    workers = [subprocess.Popen([sys.executable, "-c", WORKER, name]) for name in names]

    assert [worker.wait() for worker in workers] == [0, 0]
    trials = search.trials.order_by("trial_number")
    assert [run.trial_number for run in trials] == list(range(6))
    assert {run.epochs_done for run in trials} == {5}
    assert optuna_states(search) == ["COMPLETE"] * 6


def test_a_hopeless_trial_ends_early(search: Search) -> None:
    for _ in range(5):
        carried_out(search, 0.5, 0.6, 0.7)

    with pytest.raises(TrialPruned, match="epoch 2: at that point half of the other trials had done better"):
        learn(begin_trial(claimed(search)), 0.5, 0.1)


def test_a_trial_ends_when_the_minutes_are_over(make_search: Callable[..., Search]) -> None:
    search = make_search(max_runs=None, max_minutes=10)
    trial = begin_trial(claimed(search))
    TrainingRun.objects.update(started_at=timezone.now() - timedelta(minutes=11))

    with pytest.raises(TrialPruned, match="epoch 1: the minutes of its search are over"):
        learn(trial, 0.5)


def test_a_trial_never_looks_at_the_test_pictures(search: Search) -> None:
    report = training_run.TrialReport(begin_trial(claimed(search)))

    with pytest.raises(training_run.TrialOver):
        report.stage("converting")


def test_an_impossible_combination_is_refused_and_not_sought_again(make_search: Callable[..., Search]) -> None:
    make_search({"learning_rate": "0.001 .. 0.1"})
    Search.objects.update(space={"learning_rate": {"low": 20, "high": 30, "is_log": True}})
    run = claimed(Search.objects.get())

    with pytest.raises(WrongConfig, match="This combination cannot be trained: learning_rate is “2"):
        begin_trial(run)

    run.refresh_from_db()
    assert (run.trial_number, run.training_config) == (0, BASE)
    assert optuna_states(Search.objects.get()) == ["PRUNED"]


def test_it_is_said_how_much_each_setting_matters(search: Search) -> None:
    for _ in range(search_module.MIN_TRIALS_TO_WEIGH):
        run = claimed(search)
        trial = begin_trial(run)
        training_run.RowReport(run).epoch(result(1, min(1, 8 * trial.run.training_config.learning_rate)))
        trial.end(State.SUCCEEDED)

    importances = Search.objects.get().importances
    assert next(iter(importances)) == "learning_rate"
    assert sum(importances.values()) == pytest.approx(1)


# --- Optuna's tables follow the rows


def test_what_ended_without_its_trainer_is_told_before_the_next_draw(search: Search) -> None:
    begin_trial(claimed(search)).run.fail(TrainingError("No use."))

    carried_out(search, 0.5)

    assert optuna_states(search) == ["FAIL", "COMPLETE"]


def test_a_number_that_was_drawn_by_a_process_that_died_is_given_up(search: Search) -> None:
    with opened(search, make_tables()) as study:
        study.ask()

    assert carried_out(search, 0.5).trial_number == 1
    assert optuna_states(search) == ["FAIL", "COMPLETE"]


@pytest.mark.parametrize("half", [False, True])
def test_a_restored_search_is_made_again_from_its_rows(half: bool, search: Search) -> None:
    import optuna

    done = carried_out(search, 0.5, 0.7)
    begin_trial(claimed(search)).run.fail(TrainingError("No use."))
    working = begin_trial(claimed(search))
    tables = make_tables()
    with search_module._connected(tables):
        optuna.delete_study(study_name=search.storage_name, storage=tables)
        if half:  # whoever made it again was killed
            optuna.create_study(study_name=search.storage_name, storage=tables)

    with opened(search, make_tables()) as study:
        first = study.trials[0]

    assert optuna_states(search) == ["COMPLETE", "FAIL", "RUNNING"]
    assert (first.value, first.intermediate_values) == (0.7, {1: 0.5, 2: 0.7})
    assert first.params["learning_rate"] == done.config["learning_rate"]
    again = TrainingRun.objects.get(pk=working.run.pk)
    learn(begin_trial(again), 0.5)


def test_what_is_kept_of_a_deleted_search_goes(search: Search, make_search: Callable[..., Search]) -> None:
    import optuna

    carried_out(search, 0.5)
    name = search.storage_name
    search.delete()
    carried_out(make_search(), 0.5)

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


# --- the search


def test_as_many_trials_wait_as_there_are_workers(search: Search, make_worker: Callable[[str], Worker]) -> None:
    make_worker("a")
    make_worker("b")

    search.move_on()
    search.move_on()

    assert search.trials.queued().count() == 2


def test_the_best_combination_trains_once_more_when_the_runs_are_spent(make_search: Callable[..., Search]) -> None:
    search = make_search(max_runs=2, publish_when_done=True)
    carried_out(search, 0.5)
    best = carried_out(search, 0.7)

    search.move_on()
    search.move_on()

    search.refresh_from_db()
    assert (search.state, search.best_run) == (Search.State.FINISHING, best)
    final = search.final_run
    assert (final.config, final.search, final.publish_when_done, final.state) == (best.config, None, True, State.QUEUED)


def test_a_spent_budget_waits_for_the_trials_that_work(make_search: Callable[..., Search]) -> None:
    search = make_search(max_runs=1)
    claimed(search)

    search.move_on()

    assert Search.objects.get().state == Search.State.SEARCHING
    assert search.trials.count() == 1


def test_when_the_minutes_are_over_what_waits_is_taken_back(make_search: Callable[..., Search]) -> None:
    search = make_search(max_runs=None, max_minutes=10)
    carried_out(search, 0.5)
    search.move_on()
    TrainingRun.objects.filter(value=0.5).update(started_at=timezone.now() - timedelta(minutes=11))

    search.move_on()

    assert [run.state for run in search.trials.order_by("pk")] == [State.SUCCEEDED, State.CANCELLED]
    assert Search.objects.get().state == Search.State.FINISHING


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (State.SUCCEEDED, Search.State.DONE),
        (State.CANCELLED, Search.State.CANCELLED),
        (State.FAILED, Search.State.FAILED),
    ],
)
def test_a_search_ends_as_its_last_run_does(state: str, outcome: str, make_search: Callable[..., Search]) -> None:
    search = make_search(max_runs=1)
    carried_out(search, 0.5)
    search.move_on()
    TrainingRun.objects.filter(search=None).update(state=state, lease=1, ended_at=timezone.now())

    search.move_on()

    search.refresh_from_db()
    assert (search.state, search.ended_at is not None) == (outcome, True)


def test_a_search_whose_trials_all_failed_says_why(search: Search) -> None:
    for _ in range(Search.FAILURES_IN_A_ROW):
        claimed(search).fail(TrainingError("There are no pictures."))

    search.move_on()

    search.refresh_from_db()
    assert search.state == Search.State.FAILED
    assert search.error == "None of 8 trials came to a result. The last one said: There are no pictures."


def test_a_cancelled_search_ends_with_all_its_runs(search: Search) -> None:
    working = claimed(search)
    waiting = search.recognizer.runs.create(config=search.config, search=search)

    assert search.request_cancel()
    assert not search.request_cancel()

    for run in (working, waiting):
        run.refresh_from_db()
    assert (working.cancel_requested, waiting.state) == (True, State.CANCELLED)
    search.move_on()
    assert search.trials.count() == 2


def test_the_reconciler_moves_a_stalled_search_on(search: Search) -> None:
    reconcile()

    assert search.trials.queued().count() == 1


@pytest.mark.keras
def test_a_search_ends_with_a_version_of_the_best_combination(
    recognizer: Recognizer, make_search: Callable[..., Search], add_pictures: AddPictures
) -> None:
    for shape in SHAPES:
        add_pictures(recognizer, label=shape, count=12)
    search = make_search(max_runs=2)
    for _ in range(2):
        training_run.train_trial(claimed(search))
    search.move_on()
    search.refresh_from_db()
    final = search.final_run
    assert final is not None
    final.claim("host:1")

    training_run.train_run(final)
    search.move_on()

    search.refresh_from_db()
    assert search.state == Search.State.DONE
    assert list(recognizer.versions.values_list("run", flat=True)) == [final.pk]
    assert max(final.epochs.values_list("val_accuracy", flat=True)) == search.best_run.value
    assert [run.epochs_done for run in search.trials.filter(state=State.SUCCEEDED)] == [5, 5]
    assert not search.trials.filter(checkpoints__isnull=False).exists()
