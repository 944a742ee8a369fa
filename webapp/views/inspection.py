"""A version is looked inside with a picture: asked for, waited for, looked at."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from training import storage
from training.models import Job, ModelVersion
from training.results.inspection_result import InspectionResult
from webapp.answering import is_oversized
from webapp.errors import TooLarge
from webapp.forms.inspection import InspectionForm
from webapp.forms.looks import sentences
from webapp.guards import StaffRequest, staff_required
from webapp.headers import kept_privately
from webapp.presenters.inside import (
    HISTOGRAM_HEIGHT,
    HISTOGRAM_WIDTH,
    ask,
    depths,
    examples,
    inspections,
    kinds_of,
    layers_of,
    scores_of,
    what_it_waits_for,
)

EARLIER = 10


@csrf_exempt  # Django reads the whole body to find the token, so the size comes first and _ask asks for the token
@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def choose(request: StaffRequest, slug: str, number: int) -> HttpResponse:
    version = get_object_or_404(ModelVersion.objects.select_related("recognizer"), recognizer__slug=slug, number=number)
    if request.method != "POST":
        return _choices(request, version)
    if is_oversized(request):
        return _choices(request, version, [str(TooLarge())], status=413)
    return _ask(request, version)


@csrf_protect
def _ask(request: StaffRequest, version: ModelVersion) -> HttpResponse:
    form = InspectionForm(request.POST, request.FILES, recognizer=version.recognizer)
    if not form.is_valid() or form.chosen is None:
        return _choices(request, version, sentences(form), status=400)
    job = ask(version, form.chosen, request.user)
    return redirect("inside-show", version.recognizer.slug, version.number, job.pk)


def _choices(
    request: HttpRequest, version: ModelVersion, wrong: list[str] | None = None, *, status: int = 200
) -> HttpResponse:
    context = {
        "version": version,
        "recognizer": version.recognizer,
        "pictures": examples(version.recognizer),
        "form": InspectionForm(recognizer=version.recognizer),
        "wrong": wrong or [],
        "earlier": inspections(version).defer("result", "log")[:EARLIER],
    }
    return render(request, "inspection/choose.html", context, status=status)


@require_safe
@staff_required
def show(request: HttpRequest, slug: str, number: int, pk: int) -> HttpResponse:
    job = _job(slug, number, pk)
    context: dict[str, Any] = {"job": job, "version": job.version, "recognizer": job.recognizer}
    if not job.has_ended:
        template = "inspection/_progress.html" if "HX-Request" in request.headers else "inspection/show.html"
        return render(request, template, context | {"waits_for": what_it_waits_for(job)})
    if job.state == Job.State.DONE:
        found = InspectionResult.from_dict(job.result)
        layers = layers_of(found)
        context |= {
            "found": found,
            "layers": layers,
            "depths": list(depths(layers)),
            "kinds": kinds_of(layers),
            "scores": scores_of(found, job.recognizer.label_names()),
            "width": HISTOGRAM_WIDTH,
            "height": HISTOGRAM_HEIGHT,
        }
    response = render(request, "inspection/show.html", context)
    if "HX-Request" in request.headers:
        response.headers["HX-Refresh"] = "true"  # it has ended: the whole page is another one now
    return response


@require_POST
@staff_required
def cancel(request: HttpRequest, slug: str, number: int, pk: int) -> HttpResponse:
    job = _job(slug, number, pk)
    if not job.request_cancel():
        messages.info(request, _("It had ended already."))
    return redirect("inside-show", slug, number, pk)


@require_safe
@staff_required
def drawing(request: HttpRequest, slug: str, number: int, pk: int, name: str) -> HttpResponseBase:
    """A drawing never changes: its name holds the attempt that made it."""
    job = _job(slug, number, pk)
    path = f"{job.folder}/{name}.png"
    try:
        return kept_privately(
            request, path, lambda: FileResponse(storage.local_path(path).open("rb"), content_type="image/png")
        )
    except FileNotFoundError as error:
        raise Http404 from error


def _job(slug: str, number: int, pk: int) -> Job:
    jobs = Job.objects.select_related("recognizer", "version__recognizer", "started_by")
    job: Job = get_object_or_404(
        jobs, pk=pk, kind=Job.Kind.INSPECTION, version__number=number, version__recognizer__slug=slug
    )
    return job
