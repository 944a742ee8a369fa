"""The dashboard, and the page from which staff lead a recognizer from pictures to a published version."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db.models import Count, Max, Prefetch, RestrictedError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from classifier.models import FailedOpening, Prediction
from training import storage
from training.errors import StillInUse
from training.models import Label, ModelVersion, Recognizer, TrainingRun
from training.models.versions import version_before
from training.runs.everyday import classes_known, has_everyday
from webapp.first_password import has_first_password
from webapp.forms.pictures import upload_forms
from webapp.forms.recognizers import DeletionForm, LabelForm, LabelNamesForm, RecognizerForm
from webapp.forms.versions import RollBackForm
from webapp.guards import StaffRequest, staff_required
from webapp.opened import get_opened_or_404
from webapp.presenters.many_labels import Shown
from webapp.presenters.next_step import next_step
from webapp.presenters.room import room_sentence

SHOWN = 5  # of each list on a recognizer's page


@staff_required
def dashboard(request: StaffRequest) -> HttpResponse:
    latest = TrainingRun.objects.values("recognizer").annotate(latest=Max("pk")).values("latest")
    published = ModelVersion.objects.filter(is_active=True).prefetch_related(
        Prefetch("failed_openings", FailedOpening.objects.standing(), to_attr="failures")
    )
    recognizers = Recognizer.objects.with_counts().prefetch_related(
        Prefetch("versions", published, to_attr="published"),
        Prefetch("versions", ModelVersion.objects.troubled(), to_attr="troubled"),
        Prefetch("runs", TrainingRun.objects.filter(pk__in=latest), to_attr="latest_runs"),
    )
    context = {
        "recognizers": recognizers,
        "room": room_sentence(),
        "has_first_password": has_first_password(request.user),
    }
    return render(request, "recognizers/dashboard.html", context)


@staff_required
def create(request: HttpRequest) -> HttpResponse:
    form = RecognizerForm(request.POST or None)
    if not form.is_valid():
        return _form_page(request, form)
    recognizer = form.save()
    return redirect("recognizer", recognizer.slug)


@staff_required
def edit(request: StaffRequest, slug: str) -> HttpResponse:
    recognizer = get_opened_or_404(request, Recognizer.objects.all(), slug=slug)
    form = RecognizerForm(request.POST or None, instance=recognizer)
    if not form.is_valid():
        return _form_page(request, form, get_object_or_404(Recognizer, pk=recognizer.pk))
    if not form.write(request.user):
        recognizer = get_object_or_404(Recognizer, pk=recognizer.pk)
        return _form_page(request, form.overtaken(), recognizer)
    messages.success(request, _("Saved."))
    return redirect("recognizer", form.instance.slug)


def _form_page(request: HttpRequest, form: RecognizerForm, recognizer: Recognizer | None = None) -> HttpResponse:
    is_new = recognizer is None
    context = {"form": form, "recognizer": recognizer, "can_add_everyday": is_new and not has_everyday()}
    return render(request, "recognizers/form.html", context, status=_status_of_edit(form))


def _status_of_edit(form: forms.BaseForm) -> int:
    if not form.is_bound:
        return 200
    return 409 if getattr(form, "meanwhile", None) else 400


@staff_required
def show(request: HttpRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    labels = list(recognizer.labels.annotate(num_pictures=Count("pictures")))
    runs = list(recognizer.runs.filter(search=None).defer("log").select_related("version")[:SHOWN])
    versions = list(recognizer.versions.all()[: 2 * SHOWN])
    context = {
        "recognizer": recognizer,
        "labels": labels,
        "shown_labels": Shown.of(labels),
        "can_keep": bool(classes_known(recognizer)),
        "num_pictures": sum(each.num_pictures for each in labels),
        "most": max((each.num_pictures for each in labels), default=0),
        "imports": recognizer.imports.defer("report").select_related("started_by")[:SHOWN],
        "runs": runs,
        "searches": recognizer.searches.all()[:SHOWN],
        "running": next((each for each in reversed(runs) if not each.has_ended), None),
        "versions": versions,
        "activations": recognizer.activations.select_related("version", "previous", "by")[: 2 * SHOWN],
        "version_before": version_before(recognizer),
        "answering": recognizer.versions.active(),
        "troubled": recognizer.versions.troubled(),
        "failures": FailedOpening.objects.standing().filter(version__recognizer=recognizer).select_related("version"),
        "next_step": next_step(recognizer, versions[0] if versions else None),
        **upload_forms(recognizer),
        "label_form": LabelForm(recognizer=recognizer),
        "roll_back_form": RollBackForm(),
    }
    return render(request, "recognizers/show.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    form = DeletionForm(request.POST if request.method == "POST" else None, recognizer=recognizer)
    name, obstacle = recognizer.name, None
    try:
        if form.is_valid():
            recognizer.remove()
            messages.success(request, _("“%(recognizer)s” is deleted.") % {"recognizer": name})
            return redirect("dashboard")
        recognizer.check_removable()
    except StillInUse as error:
        obstacle = error
    context = {
        "form": form,
        "recognizer": recognizer,
        "obstacle": obstacle,
        "num_bytes": storage.bytes_below(recognizer.folders()),
        "num_pictures": recognizer.pictures.count(),
        "num_runs": recognizer.runs.count(),
        "num_versions": recognizer.versions.count(),
        "num_answers": Prediction.objects.filter(version__recognizer=recognizer).count(),
    }
    return render(request, "recognizers/delete.html", context, status=_status_of(form, obstacle))


def _status_of(form: DeletionForm, obstacle: StillInUse | None) -> int:
    if not form.is_bound:
        return 200
    return 409 if obstacle else 400


@staff_required
def add_label(request: HttpRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    form = LabelForm(request.POST or None, recognizer=recognizer)
    if not form.is_valid():
        return _label_page(request, form, recognizer)
    form.save()
    return redirect("recognizer", slug)


@staff_required
def edit_label(request: StaffRequest, slug: str, pk: int) -> HttpResponse:
    labels = Label.objects.select_related("recognizer")
    label = get_opened_or_404(request, labels, pk=pk, recognizer__slug=slug)
    form = LabelNamesForm(request.POST or None, instance=label)
    if not form.is_valid():
        return _label_page(request, form, label.recognizer, get_object_or_404(labels, pk=label.pk))
    is_done = _delete_label(request, form) if "delete" in request.POST else form.write(request.user)
    if not is_done:
        label = get_object_or_404(labels, pk=label.pk)
        return _label_page(request, form.overtaken(), label.recognizer, label)
    return redirect("recognizer", label.recognizer.slug)


def _delete_label(request: HttpRequest, form: LabelNamesForm) -> bool:
    label: Label = form.instance
    try:
        return label.delete_unless_changed(form.as_opened.values)
    except RestrictedError:
        messages.error(request, _("“%(label)s” still has pictures. Delete them first.") % {"label": label.name})
        return True


def _label_page(
    request: HttpRequest, form: LabelForm | LabelNamesForm, recognizer: Recognizer, label: Label | None = None
) -> HttpResponse:
    context = {"form": form, "recognizer": recognizer, "label": label}
    return render(request, "recognizers/label.html", context, status=_status_of_edit(form))
