"""A trained version is looked at, published, taken back and carried away."""

from __future__ import annotations

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from training import storage
from training.errors import BrokenArtifact, NotPublishable, StillInUse
from training.models import ModelVersion, Recognizer
from training.models.versions import roll_back as roll_back_to_the_one_before
from webapp.forms.looks import sentences
from webapp.forms.versions import PublishForm, RollBackForm
from webapp.guards import StaffRequest, staff_required
from webapp.presenters.inside import latest_filters
from webapp.presenters.reports import report_on
from webapp.presenters.setting_names import said
from webapp.presenters.version_figures import figures_json, figures_of, worst_errors
from webapp.presenters.version_words import beside, mostly_errs, right_on, what_would_help

MOST_ERRORS = 12  # shown of those the evaluation keeps


@require_safe
@staff_required
def show(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    version = _version(slug, number)
    names, evaluation = version.recognizer.label_names(), version.figures
    in_use = version.recognizer.versions.active()
    errors = worst_errors(version.recognizer, evaluation, names)
    context = {
        "version": version,
        "recognizer": version.recognizer,
        "in_use": in_use,
        "right": right_on(version),
        "beside": beside(version, in_use),
        "mostly": mostly_errs(evaluation, names, errors),
        "would_help": what_would_help(evaluation, names),
        "troubled": [version] if version.trouble else [],
        "failures": version.failed_openings.standing(),
        "figures": figures_of(evaluation, names),
        "errors": errors[:MOST_ERRORS],
        "epochs": version.run.epochs.all(),
        "settings": said(version.run.config),
        "inside": latest_filters(version),
        "activations": version.activations.select_related("version", "by"),
        "publish_form": PublishForm(),
    }
    return render(request, "versions/show.html", context)


@require_POST
@staff_required
def publish(request: StaffRequest, slug: str, number: int) -> HttpResponse:
    version = _version(slug, number)
    form = PublishForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(sentences(form)))
        return redirect("version", slug, number)
    try:
        version.publish(request.user, **form.cleaned_data)
    except NotPublishable as error:
        messages.error(request, str(error))
        return redirect("version", slug, number)
    except BrokenArtifact:  # the page says why
        messages.error(request, _("Version %(number)d was not published.") % {"number": number})
        return redirect("version", slug, number)
    messages.success(request, _("Version %(number)d answers from now on.") % {"number": number})
    return redirect("recognizer", slug)


@require_POST
@staff_required
def roll_back(request: StaffRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    form = RollBackForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(sentences(form)))
        return redirect("recognizer", slug)
    try:
        version = roll_back_to_the_one_before(recognizer, request.user, **form.cleaned_data)
    except NotPublishable as error:
        messages.error(request, str(error))
    except BrokenArtifact:  # the page says why
        messages.error(request, _("Nothing was rolled back."))
    else:
        messages.success(request, _("Version %(number)d answers again.") % {"number": version.number})
    return redirect("recognizer", slug)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def delete(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    version = _version(slug, number)
    obstacle = None
    try:
        if request.method == "POST":
            version.remove()
            messages.success(request, _("Version %(number)d is deleted.") % {"number": number})
            return redirect("recognizer", slug)
        version.check_removable()
    except StillInUse as error:
        obstacle = error
    context = {
        "version": version,
        "recognizer": version.recognizer,
        "obstacle": obstacle,
        "num_bytes": storage.bytes_below([version.folder]),
        "num_answers": version.predictions.count(),
    }
    return render(request, "versions/delete.html", context, status=409 if request.method == "POST" else 200)


@require_safe
@staff_required
def download(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    version = _version(slug, number)
    try:
        version.files.check_h5()
    except BrokenArtifact as error:
        return render(request, "versions/broken.html", {"version": version, "error": error}, status=409)
    name = f"{slug}-version-{number}.h5"
    return FileResponse(version.files.h5.open("rb"), as_attachment=True, filename=name)


@require_safe
@staff_required
def report(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    answer = HttpResponse(report_on(_version(slug, number)))
    answer["Content-Disposition"] = f'attachment; filename="{slug}-version-{number}.html"'
    return answer


@require_safe
@staff_required
def evaluation(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    version = _version(slug, number)
    of_whom = {"recognizer": slug, "version": number, "h5_sha256": version.h5_sha256, "config": version.run.config}
    answer = JsonResponse({**of_whom, **figures_json(version)}, json_dumps_params={"ensure_ascii": False, "indent": 1})
    answer["Content-Disposition"] = f'attachment; filename="{slug}-version-{number}.json"'
    return answer


def _version(slug: str, number: int) -> ModelVersion:
    versions = ModelVersion.objects.select_related("recognizer", "run__started_by")
    return get_object_or_404(versions, recognizer__slug=slug, number=number)
