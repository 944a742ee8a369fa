"""A search is asked for, watched and ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from training.config import TrainingConfig
from training.config.search_space import Range, Value, values_in
from training.errors import TooFewPictures, WrongConfig
from training.models import Recognizer, Search, TrainingRun, Worker
from training.runs.requests import starting_config
from webapp.forms.searches import SearchForm
from webapp.guards import StaffRequest, staff_required
from webapp.presenters.plans import Plan
from webapp.presenters.preset_names import PRESETS
from webapp.presenters.run_sentences import START_A_WORKER
from webapp.presenters.setting_names import NETWORKS, SETTINGS, said_value


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def start(request: StaffRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    if request.method != "POST":
        return _start_page(request, _empty_form(request, recognizer))
    base = _base(recognizer, request.POST.get("earlier", ""), request.POST)
    form = SearchForm(request.POST, recognizer=recognizer, base=base)
    if not form.is_valid():
        return _start_page(request, form)

    search = recognizer.searches.create(
        **form.request().values(),
        started_by=request.user,
        needs_gpu=form.cleaned_data["needs_gpu"],
        publish_when_done=form.cleaned_data["publish_when_done"],
    )
    transaction.on_commit(search.move_on)
    return redirect("search", search.pk)


def _empty_form(request: HttpRequest, recognizer: Recognizer) -> SearchForm:
    earlier = request.GET.get("from", "")
    earlier = earlier if recognizer.runs.filter(pk=earlier if earlier.isdecimal() else 0).exists() else ""
    base = _base(recognizer, earlier, request.GET)
    preset = request.GET.get("preset", "")
    known = {"network": base.network, "preset": preset if preset in PRESETS else "", "earlier": earlier}
    return SearchForm(recognizer=recognizer, base=base, initial=known)


def _base(recognizer: Recognizer, earlier: str, asked: Any) -> TrainingConfig:
    """The settings of an earlier run, or of a preset and a network; where these are unknown, the usual ones."""
    run: TrainingRun | None = recognizer.runs.filter(pk=earlier).first() if earlier.isdecimal() else None
    try:
        if run is not None:
            return run.training_config
        return starting_config(recognizer, asked.get("preset", ""), asked.get("network", ""))
    except WrongConfig:
        return starting_config(recognizer)


def _start_page(request: HttpRequest, form: SearchForm) -> HttpResponse:
    obstacle = ""
    try:
        Plan.of(form.recognizer)
    except TooFewPictures as error:
        obstacle = str(error)
    context = {
        "form": form,
        "recognizer": form.recognizer,
        "networks": [each for each in NETWORKS.values() if each.is_common or each.name == form.start.network],
        "presets": PRESETS.items(),
        "preset": form["preset"].value() or "",
        "earlier": form["earlier"].value() or "",
        "obstacle": obstacle,
    }
    return render(request, "searches/start.html", context, status=400 if form.is_bound else 200)


@dataclass(frozen=True)
class Row:
    """A trial as the table shows it."""

    run: TrainingRun
    cells: list[Any]  # what it tried, setting by setting
    is_best: bool


@require_safe
@staff_required
def show(request: HttpRequest, pk: int) -> HttpResponse:
    search = get_object_or_404(Search.objects.select_related("recognizer", "started_by", "final_run__version"), pk=pk)
    is_update = "HX-Request" in request.headers
    if is_update and not search.has_ended:
        return render(request, "searches/_progress.html", _progress(search))
    response = render(request, "searches/show.html", _progress(search))
    if is_update:
        response.headers["HX-Refresh"] = "true"  # it has ended: the whole page is another one now
    return response


def _progress(search: Search) -> dict[str, Any]:
    names = list(search.space)
    best = search.best()
    runs = list(search.trials.defer("log").order_by("pk"))
    return {
        "search": search,
        "recognizer": search.recognizer,
        "columns": [SETTINGS.get(name, name) for name in names],
        "num_columns": 3 + len(names),  # beside the first
        "rows": [Row(run, _cells(run, names), best is not None and run.pk == best.pk) for run in reversed(runs)],
        "num_ended": sum(run.has_ended for run in runs),
        "best": best,
        "best_settings": [(SETTINGS.get(name, name), _said(value)) for name, value in _tried(best, names).items()],
        "final": search.final_run,
        "space": [(SETTINGS.get(name, name), str(part)) for name, part in search.search_space.items()],
        "importances": [(SETTINGS.get(name, name), share) for name, share in search.importances.items()],
        "points_json": json.dumps([point for point in (_point(run, names) for run in runs) if point]),
        "plots": _plots(search),
        "start_a_worker": "" if search.has_ended or Worker.objects.alive().exists() else START_A_WORKER,
    }


def _tried(run: TrainingRun | None, names: list[str]) -> dict[str, Value]:
    """What a trial was given; empty before that. One that could not be trained says it with its error."""
    if run is None or run.trial_number is None:
        return {}
    impossible = run.error_sentence.get("params", {}).get("tried")
    return {name: impossible[name] for name in names} if impossible else values_in(run.config, names)


def _cells(run: TrainingRun, names: list[str]) -> list[Any]:
    tried = _tried(run, names)
    return [_said(tried[name]) if name in tried else "" for name in names]


def _said(value: Value) -> Any:
    if isinstance(value, float):
        return f"{value:.3g}"
    said = said_value(value.split(",")) if isinstance(value, str) and "," in value else said_value(value)
    return "–" if said == "" else said


def _point(run: TrainingRun, names: list[str]) -> dict[str, Any] | None:
    """A trial that came to a figure, as the plots take it."""
    if run.value is None or run.trial_number is None:
        return None
    tried = {name: value if _is_number(value) else str(_said(value)) for name, value in _tried(run, names).items()}
    return {"number": run.trial, "value": run.value, "is_whole": run.state != run.State.PRUNED, "tried": tried}


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plots(search: Search) -> list[dict[str, Any]]:
    """One plot for each setting, with the scale of its axis."""
    return [
        {
            "name": name,
            "title": SETTINGS.get(name, name),
            "scale": ("logarithmic" if part.is_log else "linear") if isinstance(part, Range) else "category",
        }
        for name, part in search.search_space.items()
    ]


@require_POST
@staff_required
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    search = get_object_or_404(Search, pk=pk)
    if not search.request_cancel():
        messages.info(request, _("The search had ended already."))
    return redirect("search", pk)
