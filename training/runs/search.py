"""Which settings a search tries next and which trials are hopeless: Optuna says so, from tables in the site's database.

The runs' rows are the truth. Optuna's tables follow them: what ended is told to it before the next trial is drawn, and
where the tables are missing, as after a restored backup, they are made again from the rows.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, connection

from training import storage
from training.config.search_space import Choices, Part, combined, settings_to_search, values_in
from training.config.values import type_of
from training.errors import TrainingError, TrialPruned, WrongConfig
from training.messages import N_
from training.models import Search, TrainingRun
from training.outages import outlasting

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.storages import RDBStorage

    from training.evaluation.epochs import EpochResult

ADVISORY_LOCK = 0x5EA2C4  # names PostgreSQL's lock of Optuna's tables
BUSY_SECONDS = 20  # that SQLite waits for another writer, as the site does
IS_WHOLE = "is_whole"  # set once all earlier trials are in Optuna's tables
MIN_TRIALS_TO_WEIGH = 8  # before it is said how much each setting matters

log = logging.getLogger("training")

State = TrainingRun.State


class Trial:
    """One claimed run of a search, with the settings it was given."""

    def __init__(self, run: TrainingRun, tables: RDBStorage, study: optuna.Study, drawn: optuna.Trial) -> None:
        self.run = run
        self.search = run.search
        self.tables = tables
        self.study = study
        self.drawn = drawn

    def check(self, result: EpochResult) -> None:
        """Tell Optuna what an epoch came to. Raises: TrialPruned where the run had better end."""
        if outlasting(lambda: self._is_hopeless(result)):
            raise TrialPruned(
                N_("Ended after epoch %(epoch)d: at that point half of the other trials had done better."),
                epoch=result.number,
            )
        if self.search and self.search.is_out_of_time:
            raise TrialPruned(
                N_("Ended after epoch %(epoch)d: the minutes of its search are over."), epoch=result.number
            )

    def _is_hopeless(self, result: EpochResult) -> bool:
        with _connected(self.tables):
            if result.number not in self.study.trials[self.drawn.number].intermediate_values:  # told before a cut
                self.drawn.report(result.val_accuracy, result.number)
            return self.drawn.should_prune()

    def end(self, state: TrainingRun.State) -> None:
        """End the run with the best validation accuracy of its epochs. Raises: LeaseLost."""
        best = max(outlasting(lambda: list(self.run.epochs.values_list("val_accuracy", flat=True))), default=None)
        outlasting(lambda: self.run.end_trial(state, best))
        try:
            self._take_stock()
        except OperationalError as error:  # the next trial does it
            log.warning("Optuna's tables could not be written: %s", str(error).strip())

    def _take_stock(self) -> None:
        assert self.search is not None
        with opened(self.search, self.tables) as study:
            _tell_what_ended(self.search, study)
            importances = _importances(study)
        if importances:
            self.search.add_importances(importances)


def begin_trial(run: TrainingRun) -> Trial:
    """Give a claimed run the settings that its search tries next; one that was cut off keeps those it had.

    Raises: WrongConfig if they exclude each other, TrainingError where the search is over, LeaseLost.
    """
    search = run.search
    if search is None or search.has_ended or search.is_out_of_time:
        raise TrainingError(N_("Its search is over."))
    return outlasting(lambda: _begin_trial(run, search))


def _begin_trial(run: TrainingRun, search: Search) -> Trial:
    import optuna

    tables = make_tables()
    with opened(search, tables) as study:
        _tell_what_ended(search, study)
        if run.trial_number is not None:  # its trial goes on
            kept = study.trials[run.trial_number]
            return Trial(run, tables, study, optuna.Trial(study, kept._trial_id))
        study.sampler = _sampler(search, len(study.trials))
        drawn = study.ask(_distributions(search))
        try:
            config = combined(search.base, drawn.params)
        except WrongConfig as error:
            study.tell(drawn, state=optuna.trial.TrialState.PRUNED)  # what failed would be drawn again
            run.write(trial_number=drawn.number)
            raise WrongConfig(
                N_("This combination cannot be trained: %(reason)s"), reason=error.sentence, tried=drawn.params
            ) from error
        run.write(trial_number=drawn.number, config=config.to_dict())
    run.refresh_from_db(fields=["trial_number", "config"])
    return Trial(run, tables, study, drawn)


# --- Optuna's tables
@contextmanager
def opened(search: Search, tables: RDBStorage) -> Iterator[optuna.Study]:
    """The search as Optuna has it, for one process at a time. Raises: OperationalError where the database is away."""
    import optuna

    with _alone(), _connected(tables):
        _forget_what_is_gone(tables)
        known: dict[str, Any] = {"storage": tables, "sampler": _sampler(search, 0), "pruner": _pruner(search)}
        try:
            study = optuna.load_study(study_name=search.storage_name, **known)
        except KeyError:
            study = None
        if study is not None and not study.user_attrs.get(IS_WHOLE):  # whoever made it was killed
            optuna.delete_study(study_name=search.storage_name, storage=tables)
            study = None
        yield study or _made_from_rows(search, known)


def make_tables() -> RDBStorage:
    """Optuna's tables in the site's own database, made where they are missing.

    Raises: OperationalError where the database is away.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url, options = database_address(connection.settings_dict)
    with _alone(), _outages_as_djangos():
        tables = optuna.storages.RDBStorage(url, engine_kwargs={"pool_size": 1, "connect_args": options})
        tables.engine.dispose()
    return tables


@contextmanager
def _alone() -> Iterator[None]:
    """Keep others out of Optuna's tables; the lock goes with the process that holds it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])
        return
    descriptor = os.open(storage.working_folder("studies"), os.O_RDONLY)  # with SQLite all share one machine
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _connected(tables: RDBStorage) -> Iterator[None]:
    """One connection for all that is asked within; between two epochs none is held."""
    try:
        with _outages_as_djangos():
            yield
    finally:
        tables.remove_session()
        tables.engine.dispose()


@contextmanager
def _outages_as_djangos() -> Iterator[None]:
    """A database that is away looks the same whoever asked it."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (StorageInternalError, DBAPIError) as error:
        raise OperationalError(f"{error} {error.__cause__ or ''}") from error


def database_address(settings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What SQLAlchemy wants to know about a database of Django's.

    SQLite's writers begin as such, as Django's do: one that had read before would not be waited for.

    Returns: the URL, with the password; the options for the driver.
    """
    from sqlalchemy import URL

    if settings["ENGINE"].endswith("sqlite3"):
        url = URL.create("sqlite", database=str(settings["NAME"]))
        options = {"timeout": BUSY_SECONDS, "isolation_level": "IMMEDIATE"}
    else:
        names = {"username": "USER", "password": "PASSWORD", "host": "HOST", "database": "NAME"}
        parts = {name: settings[key] or None for name, key in names.items()}
        url = URL.create("postgresql+psycopg", port=int(settings["PORT"] or 5432), **parts)  # type: ignore[arg-type]
        options = dict(settings["OPTIONS"])
    return url.render_as_string(hide_password=False), options


def _forget_what_is_gone(tables: RDBStorage) -> None:
    """Remove what Optuna keeps of searches that were deleted with their recognizer."""
    import optuna

    kept = {search.storage_name for search in Search.objects.only("created_at")}
    for name in optuna.get_all_study_names(tables):
        if name.startswith("discern-") and name not in kept:
            optuna.delete_study(study_name=name, storage=tables)


def _made_from_rows(search: Search, known: dict[str, Any]) -> optuna.Study:
    """A study with a trial for each number that a run has had."""
    import optuna

    study = optuna.create_study(study_name=search.storage_name, direction="maximize", **known)
    drawn = search.trials.exclude(trial_number=None).prefetch_related("epochs")
    runs: dict[int, TrainingRun] = {run.trial_number: run for run in drawn}
    for number in range(max(runs, default=-1) + 1):
        study.add_trial(_trial_of(search, runs.get(number)))
    study.set_user_attr(IS_WHOLE, True)
    return study


def _trial_of(search: Search, run: TrainingRun | None) -> optuna.trial.FrozenTrial:
    """What a run came to; a number without a run was given to one that was cut off before it could write it down."""
    from optuna.trial import TrialState, create_trial

    state = _state_of(run)
    if run is None or state == TrialState.FAIL:
        return create_trial(state=TrialState.FAIL)
    is_over = state != TrialState.RUNNING
    return create_trial(
        state=state,
        value=run.value if is_over else None,
        params=values_in(run.config, list(search.space)),
        distributions=_distributions(search),
        intermediate_values={epoch.number: epoch.val_accuracy for epoch in run.epochs.all()},
    )


def _tell_what_ended(search: Search, study: optuna.Study) -> None:
    """Bring Optuna up to date with the rows. A trial without a row was drawn by a process that was cut off then."""
    from optuna.trial import TrialState

    running = [trial.number for trial in study.get_trials(states=[TrialState.RUNNING], deepcopy=False)]
    runs = {run.trial_number: run for run in search.trials.filter(trial_number__in=running)}
    for number in running:
        run = runs.get(number)
        state = _state_of(run)
        if state == TrialState.COMPLETE and run is not None:
            study.tell(number, run.value)
        elif state != TrialState.RUNNING:
            study.tell(number, state=state)


def _state_of(run: TrainingRun | None) -> optuna.trial.TrialState:
    from optuna.trial import TrialState

    if run is None or run.state in (State.FAILED, State.CANCELLED):
        return TrialState.FAIL
    if run.state == State.SUCCEEDED:
        return TrialState.COMPLETE
    return TrialState.PRUNED if run.state == State.PRUNED else TrialState.RUNNING


# --- what Optuna is told about a search
def _sampler(search: Search, number: int) -> optuna.samplers.TPESampler:
    """Each trial has a seed of its own, whichever process draws it; the first ones are drawn evenly by chance.

    The seeds are mixed: from neighbouring ones the generator's first numbers may be nearly the same.
    """
    import numpy as np
    from optuna.samplers import TPESampler

    num_random = 5 if search.max_runs is None else min(10, max(4, search.max_runs // 4))
    seed = np.random.SeedSequence((int(search.config.get("seed", 1)), number)).generate_state(1)[0]
    return TPESampler(seed=int(seed), n_startup_trials=num_random)


def _pruner(search: Search) -> optuna.pruners.MedianPruner:
    """The first epoch, and the first fifth of them, say little."""
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=4, n_warmup_steps=max(2, 1 + int(search.config["epochs"]) // 5))


def _distributions(search: Search) -> dict[str, BaseDistribution]:
    space = search.search_space
    known = {each.name: each for each in settings_to_search(search.config["network"])}
    return {name: _distribution(part, is_whole=type_of(known[name]) is int) for name, part in space.items()}


def _distribution(part: Part, *, is_whole: bool) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(part, Choices):
        return CategoricalDistribution(part.values)
    if is_whole:
        return IntDistribution(int(part.low), int(part.high), log=part.is_log)
    return FloatDistribution(part.low, part.high, log=part.is_log)


def _importances(study: optuna.Study) -> dict[str, float]:
    """How much of the differences each setting explains, by name, together 1; empty while few trials ended."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    if len(study.get_trials(states=[TrialState.COMPLETE], deepcopy=False)) < MIN_TRIALS_TO_WEIGH:
        return {}
    return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
