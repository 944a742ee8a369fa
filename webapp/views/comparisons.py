"""Two versions side by side, and whether one is better or was lucky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from training.errors import BrokenArtifact, NotComparable
from training.evaluation.comparison import ClassChange, Comparison, Differing, SideFigures
from training.evaluation.metrics import Evaluation
from training.models import LabelNames, ModelVersion, Picture, Recognizer
from webapp.guards import staff_required
from webapp.presenters.version_figures import pictures_named

MOST_PICTURES = 24  # of each version's own


@dataclass(frozen=True)
class Side:
    version: ModelVersion
    figures: SideFigures
    evaluation: Evaluation  # on its own test pictures


@dataclass(frozen=True)
class ChangeRow:
    name: str
    figures: ClassChange
    change: str


@dataclass(frozen=True)
class Shown:
    """A picture that one version answered rightly, with the other's answer; None where it has been deleted since."""

    picture: Picture | None
    true: str
    answered: str


@dataclass(frozen=True)
class Group:
    """What only `version` is right on."""

    version: ModelVersion
    other: ModelVersion
    pictures: list[Shown]
    more: int  # pictures that are not shown


@require_safe
@staff_required
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    recognizer = get_object_or_404(Recognizer, slug=slug)
    versions = list(recognizer.versions.select_related("run"))
    context: dict[str, Any] = {"recognizer": recognizer, "versions": versions}
    status = 200
    if len(versions) > 1:
        a, b = chosen_pair(versions, request.GET.get("a"), request.GET.get("b"))
        context |= {"a": a, "b": b}
        try:
            context |= _compared(recognizer, a, b)
        except (NotComparable, BrokenArtifact) as error:
            context["error"], status = error, 409
    return render(request, "versions/compare.html", context, status=status)


def chosen_pair(versions: list[ModelVersion], a: str | None, b: str | None) -> tuple[ModelVersion, ModelVersion]:
    """The two by their numbers; without them the one in use, and the newest other one.

    Raises: Http404 if there is no such version.
    """
    by_number = {str(each.number): each for each in versions}
    in_use = next((each for each in versions if each.is_active), versions[-1])
    first = by_number.get(a) if a else in_use
    second = by_number.get(b) if b else next(each for each in versions if each != first)
    if first is None or second is None:
        raise Http404
    return first, second


def _compared(recognizer: Recognizer, a: ModelVersion, b: ModelVersion) -> dict[str, Any]:
    comparison = b.against(a)
    names = recognizer.label_names()
    low, high = comparison.interval
    return {
        "comparison": comparison,
        "verdict": verdict_on(comparison, a, b),
        "difference": signed_points(comparison.difference),
        "low": signed_points(low),
        "high": signed_points(high),
        "p_value": number_format(comparison.p_value, 3) if comparison.p_value >= 0.001 else "< 0.001",
        "sides": [Side(a, comparison.a, a.figures), Side(b, comparison.b, b.figures)],
        "classes": [ChangeRow(names[each.name], each, signed_points(each.change)) for each in comparison.classes],
        "groups": _groups(recognizer, comparison, a, b, names),
    }


def verdict_on(comparison: Comparison, a: ModelVersion, b: ModelVersion) -> str:
    """Plain words for a person who publishes one or the other."""
    numbers = {"a": a.number, "b": b.number}
    sentences = {
        "better": _("Version %(b)d is better than version %(a)d; that is more than luck."),
        "worse": _("Version %(b)d is worse than version %(a)d; that is more than bad luck."),
        "undecided": _("The difference may be luck: these pictures do not tell which of the two is better."),
        "alike": _("Both are right on the very same pictures."),
    }
    return sentences[comparison.verdict] % numbers


def signed_points(difference: float) -> str:
    """0.0124 -> +1.2 points; a share of 1 as percentage points."""
    points = round(100 * difference, 1)
    sign = "+" if points > 0 else "\N{MINUS SIGN}" if points < 0 else "±"
    return _("%(points)s points") % {"points": sign + number_format(abs(points), decimal_pos=1)}


def _groups(
    recognizer: Recognizer, comparison: Comparison, a: ModelVersion, b: ModelVersion, names: LabelNames
) -> list[Group]:
    gains = [each for each in comparison.differing if each.is_gain]
    losses = [each for each in comparison.differing if not each.is_gain]
    shown = [*gains[:MOST_PICTURES], *losses[:MOST_PICTURES]]
    pictures = pictures_named(recognizer, [each.sha256 for each in shown])

    def show(each: Differing) -> Shown:
        answered = each.answered_a if each.is_gain else each.answered_b
        return Shown(pictures.get(each.sha256), names[each.true], names[answered])

    return [
        Group(version, other, [show(each) for each in some[:MOST_PICTURES]], max(0, len(some) - MOST_PICTURES))
        for version, other, some in ((b, a, gains), (a, b, losses))
    ]
