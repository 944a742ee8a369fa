"""A search: many runs with different settings, compared by what they reach on the validation pictures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from training.config import TrainingConfig, search_space
from training.config.search_space import SearchSpace
from training.errors import TrainingError
from training.messages import N_, UserFacingError, say
from training.models.runs import TrainingRun
from training.models.workers import Worker


class SearchQuerySet(models.QuerySet["Search"]):
    def unfinished(self) -> Self:
        return self.exclude(state__in=Search.ENDED)

    def concerned_by(self, run: TrainingRun) -> Self:
        """The search that a run is a trial of, or the last run of."""
        return self.filter(Q(pk=run.search_id) | Q(final_run=run.pk))


class Search(models.Model):
    """Ranges for some settings and a budget. Its trials are training runs that leave no version."""

    class State(models.TextChoices):
        SEARCHING = "searching", _("searching")
        FINISHING = "finishing", _("training the best")  # the best combination trains once more, to a version
        DONE = "done", _("done")
        CANCELLED = "cancelled", _("cancelled")
        FAILED = "failed", _("failed")

    ENDED: ClassVar[tuple[str, ...]] = (State.DONE, State.CANCELLED, State.FAILED)
    FAILURES_IN_A_ROW: ClassVar[int] = 8  # that end a search: it would go on failing

    recognizer = models.ForeignKey("training.Recognizer", models.CASCADE, related_name="searches")
    config: models.JSONField[dict[str, Any]] = models.JSONField()  # what every trial begins from
    space: models.JSONField[dict[str, Any]] = (
        models.JSONField()
    )  # setting -> its range or choices, and their importance
    max_runs = models.PositiveIntegerField(null=True)  # budget; at least one of the two is given
    max_minutes = models.PositiveIntegerField(null=True)  # since the first trial began
    needs_gpu = models.BooleanField(default=False)
    publish_when_done = models.BooleanField(default=False)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.SEARCHING)
    best_run = models.ForeignKey("training.TrainingRun", models.SET_NULL, null=True, related_name="+")
    final_run = models.ForeignKey("training.TrainingRun", models.SET_NULL, null=True, related_name="+")
    error_sentence: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    objects = SearchQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "searches"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["searching", "finishing", "done", "cancelled", "failed"]),
                name="search_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(max_runs__isnull=False) | Q(max_minutes__isnull=False), name="search_has_a_budget"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "cancelled", "failed"], ended_at__isnull=False)
                | Q(state__in=["searching", "finishing"], ended_at__isnull=True),
                name="an_ended_search_says_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recognizer.slug} search {self.pk}"

    @property
    def storage_name(self) -> str:
        """What Optuna calls it; the same in a restored backup, another where a database was emptied."""
        return f"discern-{self.pk}-{self.created_at:%Y%m%d%H%M%S%f}"

    @property
    def error(self) -> str:
        return say(self.error_sentence)

    @property
    def has_ended(self) -> bool:
        return self.state in self.ENDED

    @property
    def base(self) -> TrainingConfig:
        """What every trial begins from."""
        return TrainingConfig.from_dict(self.config)

    @property
    def search_space(self) -> SearchSpace:
        return search_space.from_dict(self.space)

    @property
    def importances(self) -> dict[str, float]:
        """How much of the differences each setting explains, the largest first; empty while few trials ended."""
        known = {name: part["importance"] for name, part in self.space.items() if "importance" in part}
        return dict(sorted(known.items(), key=lambda each: -each[1]))

    @property
    def trials(self) -> Any:
        """Its runs, as a queryset of leased rows; the last run is not among them."""
        return TrainingRun.objects.filter(search=self)

    @property
    def deadline(self) -> datetime | None:
        """When its minutes are over; None without such a budget, or before its first trial began."""
        began = self.trials.aggregate(first=models.Min("started_at"))["first"]
        return began + timedelta(minutes=self.max_minutes) if began and self.max_minutes else None

    @property
    def is_out_of_time(self) -> bool:
        deadline = self.deadline
        return deadline is not None and timezone.now() >= deadline

    def nudge(self) -> None:
        """Tell the workers that its runs wait."""
        for run in self.trials.queued():
            run.nudge()

    def best(self) -> TrainingRun | None:
        """The trial that has come furthest on the validation pictures, of several the first."""
        compared = self.trials.filter(
            value__isnull=False, state__in=[TrainingRun.State.SUCCEEDED, TrainingRun.State.PRUNED]
        )
        best: TrainingRun | None = compared.order_by("-value", "trial_number").first()
        return best

    def move_on(self) -> None:
        """Queue its next trials, or its last run once the budget is spent, or end it.

        Harmless at any time and in any process; it is called when a run of it has ended, and every half minute.
        """
        with transaction.atomic():
            search = Search.objects.select_for_update().filter(pk=self.pk).first()
            if search is None or search.has_ended:
                return
            if search.state == self.State.FINISHING:
                search._follow_final_run()
            elif search._is_over():
                search._wind_up()
            else:
                search._queue_trials()

    def request_cancel(self) -> bool:
        """End it with all of its runs; false where it has ended."""
        if not self._end(self.State.CANCELLED):
            return False
        runs = TrainingRun.objects.filter(Q(search=self) | Q(pk=self.final_run_id))
        for run in runs.unfinished():
            run.request_cancel()
        return True

    def add_importances(self, importances: dict[str, float]) -> None:
        """Keep how much each setting matters."""
        with transaction.atomic():
            search = Search.objects.select_for_update().get(pk=self.pk)
            space = {
                name: part | ({"importance": importances[name]} if name in importances else {})
                for name, part in search.space.items()
            }
            Search.objects.filter(pk=self.pk).update(space=space)

    def _is_over(self) -> bool:
        """Its budget is spent, or trial after trial fails."""
        if self.max_runs is not None and self.trials.count() >= self.max_runs:
            return self.is_out_of_time or not self.trials.unfinished().exists()
        return self.is_out_of_time or self._keeps_failing()

    def _keeps_failing(self) -> bool:
        ended = self.trials.filter(state__in=TrainingRun.ENDED).order_by("-ended_at", "-pk")
        latest = list(ended.values_list("state", flat=True)[: self.FAILURES_IN_A_ROW])
        return len(latest) == self.FAILURES_IN_A_ROW and set(latest) == {TrainingRun.State.FAILED}

    def _queue_trials(self) -> None:
        """As many as there are workers: a trial that is drawn later knows what more of the others came to."""
        workers = Worker.objects.alive().with_gpu() if self.needs_gpu else Worker.objects.alive()
        missing = max(1, workers.count()) - self.trials.unfinished().count()
        if self.max_runs is not None:
            missing = min(missing, self.max_runs - self.trials.count())
        for _number in range(missing):
            self._queue_run(self.config, search=self)

    def _wind_up(self) -> None:
        """Take back what waits, then train the best once more; trials that work end by themselves before that."""
        for run in self.trials.queued():
            run.request_cancel()
        if self.trials.unfinished().exists():
            return
        self.best_run = self.best()
        if self.best_run is None:
            self._end(self.State.FAILED, error_sentence=self._why_nothing_came().sentence)
            return
        self._train_best(self.best_run)

    def _train_best(self, best: TrainingRun) -> None:
        self.final_run = self._queue_run(best.config, publish_when_done=self.publish_when_done)
        self.state = self.State.FINISHING
        self.save(update_fields=["state", "best_run", "final_run"])

    def _queue_run(self, config: dict[str, Any], **values: Any) -> TrainingRun:
        run = self.recognizer.runs.create(config=config, started_by=self.started_by, needs_gpu=self.needs_gpu, **values)
        transaction.on_commit(run.nudge)
        return run

    def _why_nothing_came(self) -> UserFacingError:
        failed = self.trials.filter(state=TrainingRun.State.FAILED).order_by("ended_at").last()
        if failed is None:
            return TrainingError(N_("No trial came to a result before the budget was spent. Give it more of it."))
        return TrainingError(
            N_("None of %(count)d trials came to a result. The last one said: %(reason)s"),
            count=self.trials.count(),
            reason=failed.error_sentence,
        )

    def _follow_final_run(self) -> None:
        final = self.final_run
        if final is None or not final.has_ended:
            return
        if final.state == TrainingRun.State.SUCCEEDED:
            self._end(self.State.DONE)
        elif final.state == TrainingRun.State.CANCELLED:
            self._end(self.State.CANCELLED)
        else:
            error = TrainingError(
                N_("The best combination could not be trained again: %(reason)s"), reason=final.error_sentence
            )
            self._end(self.State.FAILED, error_sentence=error.sentence)

    def _end(self, state: str, **values: Any) -> bool:
        unfinished = Search.objects.unfinished().filter(pk=self.pk)
        return unfinished.update(state=state, ended_at=timezone.now(), **values) == 1
