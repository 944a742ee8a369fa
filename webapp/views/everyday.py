"""Everyday things: added where an installation has none, and a recognizer of one's own that begins with some of it."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from training.errors import AlreadyThere
from training.library.everyday_classes import SLUG
from training.models import Recognizer
from training.runs.everyday import add_everyday, classes_known, keep_classes
from webapp.forms.everyday import KeepForm
from webapp.guards import StaffRequest, staff_required


@require_POST
@staff_required
def add(request: StaffRequest) -> HttpResponse:
    try:
        run = add_everyday(request.user)
    except AlreadyThere as error:
        messages.info(request, str(error))
        return redirect("recognizer", SLUG)
    if not run.has_ended:
        transaction.on_commit(run.nudge)
        return redirect("run", run.pk)
    return redirect("recognizer", SLUG)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def keep(request: StaffRequest, slug: str) -> HttpResponse:
    """Choose labels, name the recognizer, and watch its version being made."""
    recognizer = get_object_or_404(Recognizer, slug=slug)
    known, names = classes_known(recognizer), recognizer.label_names()
    if not known:
        raise Http404
    form = KeepForm(request.POST if request.method == "POST" else None, names={key: names[key] for key in known})
    if not form.is_valid():
        return _choices(request, recognizer, form)
    run = keep_classes(recognizer, form.cleaned_data["kept"], form.save(commit=False), request.user)
    transaction.on_commit(run.nudge)
    messages.success(
        request, _("Its first version is being made; it answers as soon as it is there. Then add pictures.")
    )
    return redirect("run", run.pk)


def _choices(request: HttpRequest, recognizer: Recognizer, form: KeepForm) -> HttpResponse:
    context = {"recognizer": recognizer, "form": form}
    return render(request, "everyday/keep.html", context, status=400 if form.is_bound else 200)
