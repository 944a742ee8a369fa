"""A training run is asked for, watched and ended."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from training.config import TrainingConfig
from training.errors import TooFewPictures, WrongConfig
from training.models import Recognizer, TrainingRun, Worker
from webapp.forms.training import TrainingForm
from webapp.forms.versions import PublishForm
from webapp.guards import StaffRequest, staff_required
from webapp.plans import Plan
from webapp.run_sentences import START_A_WORKER, how_it_goes_on, what_it_waits_for
from webapp.setting_names import NETWORKS, said

RUNS_A_PAGE = 30
EPOCH_FIELDS = ("number", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "pictures_per_second")


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def start(request: StaffRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    if request.method != "POST":
        earlier = _earlier_run(recognizer, request.GET.get("from", ""))
        config = _config_to_start_from(earlier, request.GET.get("network"))
        initial = {"needs_gpu": earlier is not None and earlier.needs_gpu}
        return _start_page(request, TrainingForm(recognizer=recognizer, start=config, initial=initial))
    config = _config_to_start_from(None, request.POST.get("network"))
    form = TrainingForm(request.POST, recognizer=recognizer, start=config)
    if not form.is_valid():
        return _start_page(request, form)

    run = recognizer.runs.create(
        config=form.config().to_dict(),
        started_by=request.user,
        needs_gpu=form.cleaned_data["needs_gpu"],
        publish_when_done=form.cleaned_data["publish_when_done"],
    )
    transaction.on_commit(run.nudge)
    return redirect("run", run.pk)


def _earlier_run(recognizer: Recognizer, run_id: str) -> TrainingRun | None:
    return recognizer.runs.filter(pk=run_id).first() if run_id.isdecimal() else None


def _config_to_start_from(earlier: TrainingRun | None, network: str | None) -> TrainingConfig:
    """The settings of an earlier run, or the defaults of a network; where either is unknown, the usual ones."""
    try:
        return earlier.training_config if earlier else TrainingConfig.for_network(network or TrainingConfig.network)
    except WrongConfig:
        return TrainingConfig()


def _start_page(request: HttpRequest, form: TrainingForm) -> HttpResponse:
    plan, obstacle = None, ""
    try:
        plan = Plan.of(form.recognizer, form.start)
    except TooFewPictures as error:
        obstacle = str(error)
    context = {
        "form": form,
        "recognizer": form.recognizer,
        "networks": NETWORKS.values(),
        "plan": plan,
        "obstacle": obstacle,
    }
    return render(request, "runs/start.html", context, status=400 if form.is_bound else 200)


@require_safe
@staff_required
def browse(request: HttpRequest) -> HttpResponse:
    runs = TrainingRun.objects.defer("log").select_related("recognizer", "started_by", "version")
    page = Paginator(runs, RUNS_A_PAGE).get_page(request.GET.get("page"))
    active = list(TrainingRun.objects.active().only("state", "owner"))
    workers = [
        {"worker": each, "runs": [run for run in active if each.carries_out(run)]} for each in Worker.objects.alive()
    ]
    context = {"page": page, "workers": workers, "start_a_worker": START_A_WORKER}
    return render(request, "runs/browse.html", context)


@require_safe
@staff_required
def show(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(TrainingRun.objects.select_related("recognizer", "started_by", "version"), pk=pk)
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
        "settings": said(run.config),
    }
    return render(request, "runs/show.html", context)


def _workers_for(run: TrainingRun) -> list[Worker]:
    """Those alive while it waits for one."""
    return list(Worker.objects.alive()) if run.state == TrainingRun.State.QUEUED else []


@require_safe
@staff_required
def status(request: HttpRequest, pk: int) -> JsonResponse:
    """What changes while a run is watched."""
    run = get_object_or_404(TrainingRun.objects.select_related("recognizer", "version"), pk=pk)
    version = run.made
    workers = _workers_for(run)
    return JsonResponse(
        {
            "state": run.state,
            "state_label": run.get_state_display(),
            "has_ended": run.has_ended,
            "cancel_requested": run.cancel_requested,
            "waits_for": what_it_waits_for(run, workers),
            "workers": [f"{worker.host} · {worker.device}" for worker in workers],
            "goes_on": how_it_goes_on(run),
            "attempts": run.attempts,
            "resumed_from": run.resumed_from,
            "needs_gpu": run.needs_gpu,
            "can_go_on": run.can_go_on,
            "epochs_done": run.epochs_done,
            "num_epochs": run.num_epochs,
            "epochs": list(run.epochs.values(*EPOCH_FIELDS)),
            "started_at": run.started_at,
            "expected_end": run.expected_end(),
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
    run = get_object_or_404(TrainingRun, pk=pk)
    if not run.request_cancel():
        messages.info(request, _("The run had ended already."))
    return redirect("run", pk)


@require_POST
@staff_required
def go_on(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(TrainingRun, pk=pk)
    if run.go_on():
        transaction.on_commit(run.nudge)
    else:
        messages.info(request, _("The run cannot go on: it has not failed, or nothing of it is kept."))
    return redirect("run", pk)
