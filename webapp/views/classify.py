"""The visitor's pages: choose a recognizer, show it a picture, read the answer."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import pgettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from classifier.answer import KEPT_SCORES, Answer
from classifier.models import Prediction
from training.limits import MAX_UPLOAD_BYTES
from training.messages import UserFacingError
from training.models import LabelNames, Recognizer
from webapp.answering import answer_upload, is_oversized, status_of, with_retry
from webapp.errors import TooLarge
from webapp.operations.prometheus import count_refusal
from webapp.presenters.many_labels import Known
from webapp.rates import counted

MOST_ALTERNATIVES = 3  # named beside the answer


@dataclass(frozen=True)
class Bar:
    """One line of the answer."""

    name: str
    probability: float

    @property
    def percent(self) -> float:
        return 100 * self.probability


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "classify/home.html", {"recognizers": Recognizer.objects.open_to_visitors()})


@csrf_exempt  # Django reads the whole body to find the token, so the size comes first and _answer asks for the token
@require_http_methods(["GET", "HEAD", "POST"])
@counted("answers")
def recognizer(request: HttpRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    if not recognizer.is_public and not request.user.is_staff:
        raise Http404
    if request.method != "POST":
        return _page(request, recognizer)
    if is_oversized(request):
        count_refusal(TooLarge(), Prediction.Source.PAGE)
        return _page(request, recognizer, error=TooLarge())
    return _answer(request, recognizer)


@csrf_protect
def _answer(request: HttpRequest, recognizer: Recognizer) -> HttpResponse:
    try:
        answer = answer_upload(recognizer, request.FILES.get("file"), Prediction.Source.PAGE)
    except UserFacingError as error:
        return _page(request, recognizer, error=error)
    return _page(request, recognizer, answer=answer)


def _page(
    request: HttpRequest,
    recognizer: Recognizer,
    *,
    answer: Answer | None = None,
    error: UserFacingError | None = None,
) -> HttpResponse:
    """The whole page, or for htmx only the answer in it."""
    is_part = "HX-Request" in request.headers
    template = "classify/_answer.html" if is_part else "classify/recognizer.html"
    version = answer.version if answer else recognizer.versions.active()
    names = recognizer.label_names() if version else LabelNames()
    context = {
        "recognizer": recognizer,
        "bars": _bars(answer, names) if answer else [],
        "could_also_be": _named(answer.could_also_be[:MOST_ALTERNATIVES], names) if answer else "",
        "version": version,
        "knows": None if is_part else Known.of(version, names),
        "error": error,
        "max_bytes": MAX_UPLOAD_BYTES,
        "too_large": TooLarge(),
    }
    return with_retry(render(request, template, context, status=status_of(error) if error else 200))


def _named(labels: list[str], names: LabelNames) -> str:
    return pgettext("list", ", ").join(names[label] for label in labels)


def _bars(answer: Answer, names: LabelNames) -> list[Bar]:
    return [Bar(names[score.label], score.probability) for score in answer.scores[:KEPT_SCORES]]
