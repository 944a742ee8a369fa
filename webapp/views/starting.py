"""A training run is asked for: the form, and what is known of the training before it begins."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from training.config.presets import BALANCED
from training.errors import TooFewPictures, WrongConfig
from training.models import Recognizer, TrainingRun
from training.runs.requests import RunRequest
from webapp.forms.looks import sentences
from webapp.forms.training import TrainingForm
from webapp.guards import StaffRequest, staff_required
from webapp.presenters.cautions import cautions
from webapp.presenters.dry_runs import ask_for_dry_run, find, is_welcome
from webapp.presenters.estimates import Estimate
from webapp.presenters.networks import is_usual, other_networks, usual_networks
from webapp.presenters.preset_cards import preset_cards
from webapp.presenters.preset_names import what_it_does


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def start(request: StaffRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    form = _form_of(request, recognizer)
    if not form.is_valid():
        return _start_page(request, form)
    if "dry_run" in request.POST:
        ask_for_dry_run(recognizer, form.request(), form.plan.num_pictures, request.user)
        return _start_page(request, form)

    run = recognizer.runs.create(
        **form.request().values(),
        started_by=request.user,
        needs_gpu=form.cleaned_data["needs_gpu"],
        publish_when_done=form.cleaned_data["publish_when_done"],
    )
    transaction.on_commit(run.nudge)
    return redirect("run", run.pk)


def _form_of(request: HttpRequest, recognizer: Recognizer) -> TrainingForm:
    """The form as it was sent, or as it is first shown: filled from an earlier run, or with a preset."""
    if request.method == "POST":
        return _sent_form(request.POST, recognizer)
    earlier = _earlier_run(recognizer, request.GET.get("from", ""))
    asked = _request_like(earlier) if earlier else None
    if asked is None:
        preset, network = request.GET.get("preset", BALANCED), request.GET.get("network", "")
        asked = _request_named(recognizer, preset, network)
    initial = {"needs_gpu": earlier is not None and earlier.needs_gpu}
    return TrainingForm(recognizer=recognizer, start=asked, initial=initial)


def _sent_form(sent: QueryDict, recognizer: Recognizer) -> TrainingForm:
    preset, network = sent.get("preset", ""), sent.get("network", "")
    start = _request_named(recognizer, preset if preset or network else BALANCED, network)
    return TrainingForm(sent, recognizer=recognizer, start=start)


def _earlier_run(recognizer: Recognizer, run_id: str) -> TrainingRun | None:
    return recognizer.runs.filter(pk=run_id).first() if run_id.isdecimal() else None


def _request_like(run: TrainingRun) -> RunRequest | None:
    """What was asked for a run; none where its settings mean nothing to this release."""
    try:
        return RunRequest(run.training_config, run.preset, run.is_network_open)
    except WrongConfig:
        return None


def _request_named(recognizer: Recognizer, preset: str, network: str) -> RunRequest:
    """A preset of a network, or of one still to be chosen; where either is unknown, the usual ones."""
    try:
        return RunRequest.of(recognizer, preset=preset, network=network)
    except WrongConfig:
        return RunRequest.of(recognizer, preset=BALANCED)


def _start_page(request: HttpRequest, form: TrainingForm) -> HttpResponse:
    estimate, obstacle = None, ""
    try:
        estimate = _estimate(form)
    except TooFewPictures as error:
        obstacle = str(error)
    context = {
        "form": form,
        "recognizer": form.recognizer,
        "presets": preset_cards(form.recognizer, form.start, estimate),
        "preset_meaning": what_it_does(form.preset_in_use, form.start.config),
        "networks": usual_networks(),
        "other_networks": other_networks(),
        "is_other_network": not is_usual(form.start.config.network),
        "is_changing": _is_changing(request, form),
        "plan": estimate.plan if estimate else None,
        "cautions": cautions(estimate.plan, estimate.request) if estimate else [],
        "estimate": estimate,
        "measures_by_itself": estimate is not None and not estimate.job and is_welcome(form.recognizer),
        "obstacle": obstacle,
    }
    return render(request, "runs/start.html", context, status=400 if form.errors else 200)


def _is_changing(request: HttpRequest, form: TrainingForm) -> bool:
    """Whether somebody is at the settings: these are wrong, or an earlier run's, or just now its network was chosen."""
    return bool(form.errors) or "dry_run" in request.POST or "from" in request.GET or "network" in request.GET


def _estimate(form: TrainingForm) -> Estimate:
    """Of what the form says now, or where that is wrong of what it began with. Raises: TooFewPictures."""
    asked = form.request() if form.is_bound and not form.errors else form.start
    return Estimate(asked, form.plan, find(form.recognizer, asked, form.plan.num_pictures))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def estimate(request: StaffRequest, slug: str) -> JsonResponse:
    """What is known of the training that the form describes; sent by POST, it asks for a dry run."""
    recognizer = get_object_or_404(Recognizer, slug=slug)
    form = _sent_form(request.POST if request.method == "POST" else request.GET, recognizer)
    if not form.is_valid():
        return JsonResponse({"refused": " ".join(sentences(form))})
    if request.method == "POST":
        ask_for_dry_run(recognizer, form.request(), form.plan.num_pictures, request.user)
    return JsonResponse(_estimate(form).to_json())
