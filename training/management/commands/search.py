"""`manage.py search SLUG --try NAME=RANGE`: tries combinations of settings in the foreground, without Celery."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from training.config.choices import NETWORKS
from training.config.presets import PRESETS
from training.config.search_space import values_in
from training.hardware import this_machine
from training.management.progress import ProgressLine
from training.messages import UserFacingError
from training.models import Recognizer, Search, TrainingRun
from training.runs import supervisor
from training.runs.requests import starting_config
from training.runs.search_requests import SearchRequest

POLL_SECONDS = 1  # while a worker has what there is to do


class Command(BaseCommand):
    help = "Try combinations of settings, and train the best to a version. Workers that run share the work."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the recognizer's address name")
        parser.add_argument("--network", default="efficientnetlite0", choices=NETWORKS)
        parser.add_argument("--preset", default="", choices=PRESETS, help="what every trial begins from")
        parser.add_argument(
            *("--set", "-s"),
            nargs="+",
            action="extend",
            default=[],
            metavar="NAME=VALUE",
            help="settings that every trial has, such as epochs=10",
        )
        parser.add_argument(
            *("--try", "-t"),
            nargs="+",
            action="extend",
            default=[],
            dest="space",
            metavar="NAME=RANGE",
            help="what is tried: learning_rate=0.0001..0.1 'optimizer=sgd|adam' 'filters=16,32|32,64'",
        )
        parser.add_argument("--runs", type=int, help="at most so many trials; 20 where no minutes are given")
        parser.add_argument("--minutes", type=int, help="at most so many minutes")
        parser.add_argument("--gpu", action="store_true", help="refuse to begin where this machine has no GPU")
        parser.add_argument("--publish", action="store_true", help="publish the best version when it is done")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            recognizer = Recognizer.objects.named(options["slug"])
            base = starting_config(recognizer, options["preset"], options["network"]).changed(_pairs(options, "set"))
            budget = {"max_runs": 20 if options["runs"] is options["minutes"] is None else options["runs"]}
            budget |= {"max_minutes": options["minutes"]}
            request = SearchRequest.of(recognizer, base, _pairs(options, "space"), **budget)
        except UserFacingError as error:
            raise CommandError(str(error)) from error
        if options["gpu"] and not this_machine().has_gpu:
            raise CommandError("TensorFlow sees no GPU on this machine. Leave --gpu out to train on its CPU.")
        search = recognizer.searches.create(
            **request.values(), needs_gpu=options["gpu"], publish_when_done=options["publish"]
        )
        self.progress = ProgressLine(self.stderr._out)  # type: ignore[arg-type]
        self.told: set[int] = set()
        try:
            self._supervise(search)
        except KeyboardInterrupt:
            search.request_cancel()
            raise CommandError("Cancelled.") from None
        self._conclude(search)

    def _supervise(self, search: Search) -> None:
        while not search.has_ended:
            search.move_on()
            search.refresh_from_db()
            waiting = TrainingRun.objects.queued().filter(Q(search=search) | Q(pk=search.final_run_id))
            run = waiting.order_by("pk").first()
            if run is not None:
                supervisor.carry_out(run, self._show, has_gpu=search.needs_gpu)
            elif not search.has_ended:
                time.sleep(POLL_SECONDS)
            self._tell_trials(search)

    def _show(self, run: TrainingRun) -> None:
        self.progress.show(f"run {run.pk}: {run.get_state_display()}, epoch {run.epochs_done}/{run.num_epochs} …")

    def _tell_trials(self, search: Search) -> None:
        ended = search.trials.filter(state__in=TrainingRun.ENDED).exclude(pk__in=self.told)
        for run in ended.order_by("pk"):
            self.progress.end()
            self.told.add(run.pk)
            value = "" if run.value is None else f"  validation accuracy {run.value:.4f}"
            tried = "  ".join(
                f"{name}={_said(value)}" for name, value in values_in(run.config, list(search.space)).items()
            )
            self.stdout.write(f"trial {run.trial}: {run.get_state_display()}{value}  {run.error or tried}")

    def _conclude(self, search: Search) -> None:
        self.progress.end()
        if search.state != Search.State.DONE or search.final_run is None or search.final_run.made is None:
            raise CommandError(search.error or f"The search ended as “{search.get_state_display()}”.")
        run, version = search.final_run, search.final_run.made
        self.stdout.write(
            f"version {version.number}: test accuracy {version.test_accuracy:.4f} on {run.num_test} pictures"
            + (", published" if version.is_active else "")
        )


def _said(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _pairs(options: dict[str, Any], name: str) -> dict[str, str]:
    """NAME=VALUE by name. Raises: CommandError if one has no “=”."""
    for pair in options[name]:
        if "=" not in pair:
            raise CommandError(f"--{'try' if name == 'space' else name} takes NAME=VALUE, but “{pair}” has no “=”.")
    return dict(pair.split("=", 1) for pair in options[name])
