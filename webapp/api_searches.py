"""The part of the REST API that searches for good settings; for staff."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Body, Router, Schema, Status

from training.config.search_space import values_in
from training.errors import WrongConfig
from training.messages import N_
from training.models import Recognizer, Search, TrainingRun
from training.runs.requests import RunRequest
from training.runs.search_requests import SearchRequest
from webapp.api import Refusal
from webapp.guards import StaffRequest

router = Router()


class TrialOut(Schema):
    run: int
    number: int | None  # None until it was given its settings
    state: str
    value: float | None  # best validation accuracy
    epochs_done: int
    settings: dict[str, Any]
    error: str


class SearchOut(Schema):
    id: int
    recognizer: str
    state: str
    error: str
    config: dict[str, Any]  # what every trial begins from
    space: dict[str, Any]
    max_runs: int | None
    max_minutes: int | None
    created_at: datetime
    ended_at: datetime | None
    importances: dict[str, float]  # how much of the differences each setting explains, together 1
    trials: list[TrialOut]
    best_trial: int | None
    final_run: int | None  # trains the best combination once more
    version: int | None  # number of the version that came of it


class SearchIn(Schema):
    """What every trial begins from, as for a run; what is tried, setting by setting; a budget in runs or minutes."""

    network: str = ""
    preset: str = ""
    settings: dict[str, Any] = {}
    space: dict[str, Any]
    max_runs: int | None = None
    max_minutes: int | None = None
    needs_gpu: bool = False
    publish_when_done: bool = False


STARTED = {201: SearchOut, frozenset({400, 401, 403, 404}): Refusal}
SHOWN = {200: SearchOut, frozenset({401, 403, 404}): Refusal}
CANCELLED = {200: SearchOut, frozenset({401, 403, 404, 409}): Refusal}


@router.post("/recognizers/{slug}/searches", response=STARTED, summary="Start a search")
def start_search(request: StaffRequest, slug: str, asked: Body[SearchIn]) -> Any:
    """`space` is such as {"learning_rate": {"low": 0.0001, "high": 0.1}, "optimizer": {"choices": ["sgd", "adam"]}}."""
    recognizer = get_object_or_404(Recognizer, slug=slug)
    base = RunRequest.of(recognizer, preset=asked.preset, network=asked.network, settings=asked.settings)
    if base.is_network_open:
        raise WrongConfig(N_("A search needs a network. Choose one beside the preset."))
    budget = {"max_runs": asked.max_runs, "max_minutes": asked.max_minutes}
    search = recognizer.searches.create(
        **SearchRequest.of(recognizer, base.config, asked.space, **budget).values(),
        started_by=request.user,
        needs_gpu=asked.needs_gpu,
        publish_when_done=asked.publish_when_done,
    )
    transaction.on_commit(search.move_on)
    return Status(201, _told(search))


@router.get("/searches/{int:pk}", response=SHOWN, summary="How a search goes")
def show_search(request: HttpRequest, pk: int) -> Any:
    return _told(get_object_or_404(Search.objects.select_related("recognizer", "final_run__version"), pk=pk))


@router.post("/searches/{int:pk}/cancel", response=CANCELLED, summary="Cancel a search with all of its runs")
def cancel_search(request: StaffRequest, pk: int) -> Any:
    """409: it had ended already."""
    search = get_object_or_404(Search, pk=pk)
    if not search.request_cancel():
        return Status(409, {"detail": _("The search had ended already.")})
    return show_search(request, pk)


# What scripts know from when a search was called a study; the description names only today's addresses.
router.post("/recognizers/{slug}/studies", response=STARTED, include_in_schema=False)(start_search)
router.get("/studies/{int:pk}", response=SHOWN, include_in_schema=False)(show_search)
router.post("/studies/{int:pk}/cancel", response=CANCELLED, include_in_schema=False)(cancel_search)


def _told(search: Search) -> dict[str, Any]:
    best, made = search.best(), search.final_run.made if search.final_run else None
    plain = ("id", "state", "error", "config", "max_runs", "max_minutes", "created_at", "ended_at", "importances")
    return {name: getattr(search, name) for name in plain} | {
        "recognizer": search.recognizer.slug,
        "space": {name: part.to_dict() for name, part in search.search_space.items()},
        "trials": [_told_of_trial(run, search) for run in search.trials.defer("log").order_by("pk")],
        "best_trial": best.trial if best else None,
        "final_run": search.final_run_id,
        "version": made.number if made else None,
    }


def _told_of_trial(run: TrainingRun, search: Search) -> dict[str, Any]:
    return {
        "run": run.pk,
        "number": run.trial,
        "state": run.state,
        "value": run.value,
        "epochs_done": run.epochs_done,
        "settings": {} if run.trial_number is None else values_in(run.config, list(search.space)),
        "error": run.error,
    }
