"""Training runs are watched, ended and made again."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from training.errors import WrongConfig
from training.models import Search, TrainingRun, Worker
from webapp.forms.versions import PublishForm
from webapp.guards import StaffRequest, staff_required
from webapp.presenters.candidates import candidates_of
from webapp.presenters.preset_names import PRESETS
from webapp.presenters.run_facts import choice_of, foreseen_end, made_with, parts_of, right_so_far, seconds_waited
from webapp.presenters.run_sentences import START_A_WORKER, how_it_goes_on, what_it_waits_for
from webapp.presenters.setting_names import said
from webapp.presenters.version_words import right_on
from webapp.presenters.watched import watched_of

RUNS_A_PAGE = 30
EPOCH_FIELDS = ("number", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "pictures_per_second")


@require_safe
@staff_required
def browse(request: HttpRequest) -> HttpResponse:
    runs = TrainingRun.objects.filter(search=None).defer("log").select_related("recognizer", "started_by", "version")
    page = Paginator(runs, RUNS_A_PAGE).get_page(request.GET.get("page"))
    active = list(TrainingRun.objects.active().only("state", "owner"))
    workers = [
        {"worker": each, "runs": [run for run in active if each.carries_out(run)]} for each in Worker.objects.alive()
    ]
    searches = Search.objects.unfinished().select_related("recognizer")
    context = {"page": page, "workers": workers, "searches": searches, "start_a_worker": START_A_WORKER}
    return render(request, "runs/browse.html", context)


@require_safe
@staff_required
def show(request: HttpRequest, pk: int) -> HttpResponse:
    run: TrainingRun = get_object_or_404(
        TrainingRun.objects.select_related("recognizer", "started_by", "version"), pk=pk
    )
    epochs = list(run.epochs.all())
    workers = _workers_for(run)
    context = {
        "run": run,
        "recognizer": run.recognizer,
        "version": run.made,
        "waits_for": what_it_waits_for(run, workers),
        "goes_on": how_it_goes_on(run),
        "workers": workers,
        "kept": run.checkpoints.first() if run.can_go_on else None,
        "publish_form": PublishForm(),
        "epochs": epochs,
        "latest": epochs[-1] if epochs else None,
        "settings": [] if run.is_network_open else said(run.config),
        "preset": PRESETS.get(run.preset, ""),
        "choice": choice_of(run),
        "parts": parts_of(run),
        "candidates": candidates_of(run),
        "watched": watched_of(run),
        "waited": seconds_waited(run),
        "right_so_far": right_so_far(epochs[-1].val_accuracy if epochs else None),
        "expected_end": foreseen_end(run),
        "right": right_on(run.made) if run.made else "",
        "made_with": made_with(run),
    }
    return render(request, "runs/show.html", context)


def _workers_for(run: TrainingRun) -> list[Worker]:
    """Those alive while it waits for one."""
    return list(Worker.objects.alive()) if run.state == TrainingRun.State.QUEUED else []


@require_safe
@staff_required
def status(request: HttpRequest, pk: int) -> JsonResponse:
    """What changes while a run is watched."""
    run: TrainingRun = get_object_or_404(TrainingRun.objects.select_related("recognizer", "version"), pk=pk)
    version = run.made
    workers = _workers_for(run)
    epochs = list(run.epochs.values(*EPOCH_FIELDS))
    return JsonResponse(
        {
            "state": run.state,
            "state_label": run.get_state_display(),
            "has_ended": run.has_ended,
            "cancel_requested": run.cancel_requested,
            "waits_for": what_it_waits_for(run, workers),
            "workers": [f"{worker.host} · {worker.device}" for worker in workers],
            "goes_on": how_it_goes_on(run),
            "choice": choice_of(run),
            "parts": parts_of(run),
            "candidates": candidates_of(run),
            "watched": watched_of(run),
            "waited": seconds_waited(run),
            "right_so_far": right_so_far(epochs[-1]["val_accuracy"] if epochs else None),
            "attempts": run.attempts,
            "resumed_from": run.resumed_from,
            "needs_gpu": run.needs_gpu,
            "can_go_on": run.can_go_on,
            "epochs_done": run.epochs_done,
            "num_epochs": run.num_epochs,
            "epochs": epochs,
            "started_at": run.started_at,
            "expected_end": foreseen_end(run),
            "device": run.device,
            "device_explanation": run.device_explanation,
            "log": run.log,
            "error": run.error,
            "version_url": reverse("version", args=[run.recognizer.slug, version.number]) if version else None,
        }
    )


@require_POST
@staff_required
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    run: TrainingRun = get_object_or_404(TrainingRun, pk=pk)
    if not run.request_cancel():
        messages.info(request, _("The run had ended already."))
    return redirect("run", pk)


@require_POST
@staff_required
def go_on(request: HttpRequest, pk: int) -> HttpResponse:
    run: TrainingRun = get_object_or_404(TrainingRun, pk=pk)
    if run.go_on():
        transaction.on_commit(run.nudge)
    else:
        messages.info(request, _("The run cannot go on: it has not failed, or nothing of it is kept."))
    return redirect("run", pk)


@require_POST
@staff_required
def run_again(request: StaffRequest, pk: int) -> HttpResponse:
    earlier: TrainingRun = get_object_or_404(TrainingRun.objects.select_related("recognizer"), pk=pk)
    try:
        run = earlier.again(request.user)
    except WrongConfig as error:
        messages.error(request, str(error))
        return redirect("run", pk)
    transaction.on_commit(run.nudge)
    return redirect("run", run.pk)
