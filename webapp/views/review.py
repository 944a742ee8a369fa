"""Looking through the pictures: a worker makes the lists, a person acts on them."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from training.library.manifests import make_new_split
from training.models import Job, Picture, Recognizer
from training.results.review_result import ReviewResult
from webapp.forms.looks import sentences
from webapp.forms.review import JudgementForm
from webapp.guards import StaffRequest, staff_required
from webapp.presenters.many_labels import with_pictures
from webapp.presenters.picture_review import flawed_of, groups_of, is_uneven, label_errors_of, sizes_of
from webapp.views.pictures import asked_again, overtaken

ERRORS_A_PAGE = 48
JUDGE = "review/_judge.html"


@require_safe
@staff_required
def show(request: HttpRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    job = _reviews(recognizer).first()
    if "HX-Request" in request.headers and job and not job.has_ended:
        return render(request, "review/_progress.html", {"job": job})
    done = _reviews(recognizer).filter(state=Job.State.DONE).first()
    result = ReviewResult.from_dict(done.result) if done else ReviewResult()
    sizes = sizes_of(recognizer)
    context = {
        "recognizer": recognizer,
        "job": job,
        "done": done,
        "result": result,
        "labels": [each.label for each in with_pictures(sizes)],
        "sizes": with_pictures(sizes),
        "most": max((each.num_pictures for each in sizes), default=0),
        "num_pictures": sum(each.num_pictures for each in sizes),
        "is_uneven": is_uneven(sizes),
        "groups": groups_of(recognizer),
        "page": Paginator(label_errors_of(result, recognizer), ERRORS_A_PAGE).get_page(request.GET.get("page")),
        "flawed": flawed_of(result, recognizer),
    }
    response = render(request, "review/show.html", context)
    if "HX-Request" in request.headers:
        response.headers["HX-Refresh"] = "true"  # it has ended: the whole page is another one now
    return response


def _reviews(recognizer: Recognizer) -> QuerySet[Job]:
    return recognizer.jobs.filter(kind=Job.Kind.REVIEW).defer("log").select_related("recognizer")


@require_POST
@staff_required
def start(request: StaffRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    if not any(not job.has_ended for job in _reviews(recognizer)[:1]):
        job = recognizer.jobs.create(kind=Job.Kind.REVIEW, started_by=request.user)
        transaction.on_commit(job.nudge)
    return redirect("review", recognizer.slug)


@require_POST
@staff_required
def judge(request: StaffRequest, pk: int) -> HttpResponse:
    picture = get_object_or_404(Picture.objects.select_related("recognizer", "label"), pk=pk)
    form = JudgementForm(request.POST, picture=picture)
    context = {"labels": picture.recognizer.labels.all()}
    if not form.is_valid():
        return asked_again(request, picture, JUDGE, status=400, sentences=sentences(form), **context)
    if not form.carry_out(request.user):
        return overtaken(request, picture, form.opened, JUDGE, answer=form.cleaned_data["label"], **context)
    if "HX-Request" in request.headers:
        return HttpResponse()  # takes the picture's place in the list
    return redirect("review", picture.recognizer.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def new_split(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a new split of all pictures, once a person has read what that means."""
    recognizer = get_object_or_404(Recognizer, slug=slug)
    if request.method != "POST":
        return render(request, "review/new_split.html", {"recognizer": recognizer})

    make_new_split(recognizer)
    messages.success(request, _("The next training makes a new split of all pictures."))
    return redirect("review", recognizer.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def split_anew(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The address of earlier releases: a bookmark is led on for good, and a page that was open still works."""
    if request.method != "POST":
        return redirect("new-split", slug, permanent=True)
    return new_split(request, slug)
