"""Pictures come in, are looked through and go."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe

from training.data.members import ReportLine
from training.data.names import tidied
from training.disk import disk_full, is_full
from training.library.intake import add_pictures
from training.models import Picture, PictureImport, Recognizer
from training.models.pictures import reported
from webapp.answering import is_oversized
from webapp.forms.looks import sentences
from webapp.forms.pictures import ArchiveForm, FilesForm, too_large, upload_forms
from webapp.front.body_limits import ARCHIVE
from webapp.guards import StaffRequest, staff_required
from webapp.headers import kept_privately
from webapp.opened import Meanwhile, Opened
from webapp.presenters.many_labels import with_pictures
from webapp.presenters.next_step import is_trainable
from webapp.rates import counted

PICTURES_A_PAGE = 60
LINES_A_PAGE = 100
JUDGED = {"label_id": gettext_lazy("Label"), "is_label_confirmed": gettext_lazy("Confirmed by a person")}


# --- in
@csrf_exempt  # Django reads the whole body to find the token: who may not upload is refused before that
@require_POST
@staff_required
@counted("uploads")
def upload(request: StaffRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    if is_oversized(request, ARCHIVE.max_bytes):
        return _refused(request, recognizer, too_large().messages)
    return _take(request, recognizer)


@csrf_protect
def _take(request: StaffRequest, recognizer: Recognizer) -> HttpResponse:
    take = _take_files if "label" in request.POST else _take_archive
    return take(request, recognizer)


def _take_archive(request: StaffRequest, recognizer: Recognizer) -> HttpResponse:
    """Keep a zip for a worker to read."""
    form = ArchiveForm(request.POST, request.FILES)
    if not form.is_valid():
        return _refused(request, recognizer, sentences(form))
    row = recognizer.imports.create(
        name=form.cleaned_data["archive"].name, archive=form.keep(), num_files=form.num_files, started_by=request.user
    )
    transaction.on_commit(row.nudge)
    return _taken(request, row)


def _take_files(request: StaffRequest, recognizer: Recognizer) -> HttpResponse:
    """Read a handful of pictures at once."""
    form = FilesForm(request.POST, request.FILES)
    if not form.is_valid():
        return _refused(request, recognizer, sentences(form))
    lines = _lines(recognizer, form, request.user)
    ended = {"state": PictureImport.State.DONE, "ended_at": timezone.now(), "started_by": request.user}
    row = recognizer.imports.create(name=tidied(form.cleaned_data["label"]), **ended, **reported(lines))
    return _taken(request, row)


def _lines(recognizer: Recognizer, form: FilesForm, by: User) -> list[ReportLine]:
    """One for each file; what finds no room on the disk is refused, what was taken before stays."""
    lines = []
    try:
        for line in add_pictures(recognizer, form.members(), by):
            lines.append(line)
    except Exception as error:
        if not is_full(error):
            raise
        sentence = dict(getattr(error, "sentence", disk_full().sentence))
        lines += [ReportLine(member.name, False, sentence) for member in list(form.members())[len(lines) :]]
    return lines


def _taken(request: HttpRequest, row: PictureImport) -> HttpResponse:
    url = reverse("import", args=[row.pk])
    return JsonResponse({"url": url}) if _wants_json(request) else redirect(url)


def _refused(request: HttpRequest, recognizer: Recognizer, why: list[str]) -> HttpResponse:
    if _wants_json(request):
        return JsonResponse({"errors": why}, status=400)
    context = {"recognizer": recognizer, "sentences": why, **upload_forms(recognizer)}
    return render(request, "pictures/upload.html", context, status=400)


def _wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


@require_safe
@staff_required
def show_import(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(PictureImport.objects.select_related("recognizer", "started_by"), pk=pk)
    if "HX-Request" in request.headers and not row.has_ended:
        return render(request, "pictures/_progress.html", {"import": row})
    lines = [ReportLine(**line) for line in row.report]
    lines.sort(
        key=lambda line: (line.is_taken, not line.sentence)
    )  # refused first, then what there is something to say of
    page = Paginator(lines, LINES_A_PAGE).get_page(request.GET.get("page"))
    context = {"import": row, "page": page, "is_trainable": is_trainable(row.recognizer)}
    response = render(request, "pictures/import.html", context)
    if "HX-Request" in request.headers:
        response.headers["HX-Refresh"] = "true"  # it has ended: the whole page is another one now
    return response


@require_POST
@staff_required
def cancel_import(request: HttpRequest, pk: int) -> HttpResponse:
    row: PictureImport = get_object_or_404(PictureImport, pk=pk)
    if not row.request_cancel():
        messages.info(request, _("The import had ended already."))
    return redirect("import", pk)


# --- here
@require_safe
@staff_required
def browse(request: HttpRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    labels = list(recognizer.labels.annotate(num_pictures=Count("pictures")))
    chosen = next((each for each in labels if each.key == request.GET.get("label")), None)
    pictures = (chosen or recognizer).pictures.select_related("label")
    context = {
        "recognizer": recognizer,
        "labels": with_pictures(labels),
        "chosen": chosen,
        "num_pictures": sum(each.num_pictures for each in labels),
        "page": Paginator(pictures, PICTURES_A_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "pictures/browse.html", context)


@require_safe
@staff_required
def file(request: HttpRequest, pk: int) -> HttpResponseBase:
    picture = get_object_or_404(Picture, pk=pk)
    try:
        return kept_privately(
            request, picture.sha256, lambda: FileResponse(picture.path.open("rb"), content_type="image/webp")
        )
    except FileNotFoundError as error:
        raise Http404 from error


# --- and out
@require_POST
@staff_required
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    picture = get_object_or_404(Picture.objects.select_related("recognizer"), pk=pk)
    opened = Opened.read(request.POST, picture)
    if not picture.remove(opened.values):
        return overtaken(request, picture, opened, "pictures/_delete.html")
    if "HX-Request" in request.headers:
        return HttpResponse()  # takes the picture's place in the grid
    return redirect("pictures", picture.recognizer.slug)


def overtaken(
    request: HttpRequest, picture: Picture, opened: Opened, form_template: str, **context: Any
) -> HttpResponse:
    """The picture with what another has said of it meanwhile, and the form by which it is done all the same."""
    now = get_object_or_404(Picture.objects.select_related("recognizer", "label", "changed_by"), pk=picture.pk)
    meanwhile = Meanwhile.since(opened, now, JUDGED)
    return asked_again(request, now, form_template, status=409, meanwhile=meanwhile, **context)


def asked_again(
    request: HttpRequest, picture: Picture, form_template: str, *, status: int, **context: Any
) -> HttpResponse:
    """The picture once more, in its place where htmx asked, else on a page of its own."""
    template = "pictures/_again.html" if "HX-Request" in request.headers else "pictures/again.html"
    context |= {"picture": picture, "form_template": form_template}
    return render(request, template, context, status=status)
