"""A version's evaluation as its page, its report and its comparison show it.

Rows of earlier releases hold less; what they do not hold is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training.evaluation.calibration import Calibration
from training.evaluation.metrics import ClassCurves, ClassMetrics, Evaluation
from training.evaluation.robustness import Corrupted
from training.models import Epoch, LabelNames, ModelVersion, Picture, Recognizer
from webapp.presenters.charts import STYLES, Axis, Chart
from webapp.presenters.confusion import Row, confusion_rows
from webapp.presenters.shares import of_all

FEW_PICTURES = 10  # below this a bar is drawn pale

CORRUPTIONS = {
    "blur": (gettext_lazy("Blurred"), gettext_lazy("%(strength)s %% of the side")),
    "dark": (gettext_lazy("Dark"), gettext_lazy("%(strength)s %% of the light")),
    "rotate": (gettext_lazy("Turned"), gettext_lazy("%(strength)s degrees")),
    "jpeg": (gettext_lazy("JPEG"), gettext_lazy("quality %(strength)s")),
    "noise": (gettext_lazy("Noisy"), gettext_lazy("%(strength)s of 255")),
}


@dataclass(frozen=True)
class CorruptedRow:
    name: str
    strength: str
    accuracy: float


@dataclass(frozen=True)
class ClassRow:
    """A class by its name; `curves` is None where no picture of it, or of another, was tested."""

    name: str
    metrics: ClassMetrics
    curves: ClassCurves | None

    @property
    def found(self) -> str:
        """How many of its pictures were answered rightly, of how many."""
        return of_all(round(self.metrics.recall * self.metrics.support), self.metrics.support)


@dataclass(frozen=True)
class Error:
    """A wrong answer; the picture is None where it has been deleted since."""

    picture: Picture | None
    true: str
    answered: str
    probability: float


@dataclass(frozen=True)
class Figures:
    """What templates/versions shows of an evaluation."""

    evaluation: Evaluation
    classes: list[ClassRow]
    confusion: list[Row]
    top_k: list[tuple[str, float]]
    curves: list[Chart]
    reliability: list[Chart]
    corrupted: list[CorruptedRow]


def figures_of(evaluation: Evaluation, names: LabelNames) -> Figures:
    """`names` has what to call a class, by key."""
    curves = {each.name: each for each in evaluation.curves}
    robustness = evaluation.robustness
    return Figures(
        evaluation,
        [ClassRow(names[each.name], each, curves.get(each.name)) for each in evaluation.classes],
        confusion_rows(evaluation, names),
        list(evaluation.top_k.items()),
        _curves(evaluation.curves, names),
        _reliability(evaluation.calibration),
        [_corrupted_row(each) for each in robustness.corrupted] if robustness else [],
    )


def figures_json(version: ModelVersion) -> dict[str, Any]:
    """As the API and the download give them. What has not been measured says so, and has no accuracy instead of 0."""
    figures = version.figures.to_json()
    if version.is_measured:
        return figures
    detail = _("Version %(number)d has not been measured here: there were no pictures.") % {"number": version.number}
    return {**figures, "accuracy": None, "detail": detail}


def worst_errors(recognizer: Recognizer, evaluation: Evaluation, names: LabelNames) -> list[Error]:
    """The surest of the wrong answers first."""
    pictures = pictures_named(recognizer, [each.sha256 for each in evaluation.worst])
    return [
        Error(pictures.get(each.sha256), names[each.true], names[each.answered], each.probability)
        for each in evaluation.worst
    ]


def pictures_named(recognizer: Recognizer, names: Sequence[str]) -> dict[str, Picture]:
    """The pictures that are still there, by the SHA-256 of their pixels."""
    return {each.sha256: each for each in recognizer.pictures.filter(sha256__in=names)} if names else {}


def training_curves(epochs: Sequence[Epoch]) -> list[Chart]:
    """Accuracy and loss, epoch by epoch, of training and validation; none before two epochs."""
    if len(epochs) < 2:
        return []
    numbers = [each.number for each in epochs]
    x = Axis(_("Epoch"), numbers[0], numbers[-1], sorted({numbers[0], numbers[len(numbers) // 2], numbers[-1]}))
    highest = max(max(each.loss, each.val_loss) for each in epochs)
    charts = []
    for title, name, y in (
        (_("Accuracy"), "accuracy", Axis(_("Accuracy"))),
        (_("Loss"), "loss", Axis(_("Loss"), 0, highest, [round(highest * i / 4, 2) for i in range(5)])),
    ):
        chart = Chart(title, x, y)
        chart.add_line(_("Pictures to learn from"), [(each.number, getattr(each, name)) for each in epochs], STYLES[0])
        chart.add_line(
            _("Pictures to choose by"), [(each.number, getattr(each, f"val_{name}")) for each in epochs], STYLES[1]
        )
        charts.append(chart)
    return charts


def _curves(curves: Sequence[ClassCurves], names: LabelNames) -> list[Chart]:
    """A ROC and a precision-recall chart; the classes that are told apart worst stand out."""
    if not curves:
        return []
    roc = Chart(_("ROC curves"), Axis(_("Others taken for it")), Axis(_("Found")))
    roc.add_diagonal()
    precision_recall = Chart(_("Precision and recall"), Axis(_("Recall")), Axis(_("Precision")))
    for chart, points, area in (
        (roc, "roc", "roc_area"),
        (precision_recall, "precision_recall", "average_precision"),
    ):
        ordered = sorted(curves, key=attrgetter(area), reverse=True)  # the worst drawn last, on top
        plain = ordered[: -len(STYLES)]
        for each in plain:
            chart.add_line(names[each.name], getattr(each, points), "faint")
        for each, style in zip(reversed(ordered[-len(STYLES) :]), STYLES, strict=False):
            chart.add_line(f"{names[each.name]} {getattr(each, area):.3f}", getattr(each, points), style)
    return [roc, precision_recall]


def _reliability(calibration: Calibration | None) -> list[Chart]:
    """How often answers of each confidence are right, before and after calibration."""
    if not calibration:
        return []
    charts = []
    for title, reliability in (
        (_("Before it was corrected"), calibration.before),
        (_("Since it was corrected"), calibration.after),
    ):
        chart = Chart(title, Axis(_("Probability that was said")), Axis(_("Share that was right")))
        chart.add_diagonal()
        for each in reliability.bins:
            if each.pictures:
                chart.add_bar(each.low, each.high, each.accuracy, is_weak=each.pictures < FEW_PICTURES)
        charts.append(chart)
    return charts


def _corrupted_row(each: Corrupted) -> CorruptedRow:
    name, strength = CORRUPTIONS[each.kind]
    return CorruptedRow(str(name), str(strength) % {"strength": f"{each.strength:g}"}, each.accuracy)
