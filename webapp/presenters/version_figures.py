"""A version's evaluation as its page, its report and its comparison show it.

Rows of earlier releases hold less; what they do not hold is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training.models import Epoch, LabelNames, Picture, Recognizer
from webapp.presenters.charts import STYLES, Axis, Chart
from webapp.presenters.confusion import Row, confusion_rows

FEW_PICTURES = 10  # below this a bar is drawn pale

DISTURBANCES = {
    "blur": (gettext_lazy("Blurred"), gettext_lazy("%(strength)s %% of the side")),
    "dark": (gettext_lazy("Dark"), gettext_lazy("%(strength)s %% of the light")),
    "rotate": (gettext_lazy("Turned"), gettext_lazy("%(strength)s degrees")),
    "jpeg": (gettext_lazy("JPEG"), gettext_lazy("quality %(strength)s")),
    "noise": (gettext_lazy("Noisy"), gettext_lazy("%(strength)s of 255")),
}


@dataclass(frozen=True)
class Disturbed:
    name: str
    strength: str
    accuracy: float


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

    evaluation: Mapping[str, Any]
    classes: list[dict[str, Any]]
    confusion: list[Row]
    top_k: list[tuple[str, float]]
    curves: list[Chart]
    reliability: list[Chart]
    disturbed: list[Disturbed]


def figures_of(evaluation: Mapping[str, Any], names: LabelNames) -> Figures:
    """`names` has what to call a class, by key."""
    areas = {each["name"]: each for each in evaluation.get("curves", [])}
    classes = [{**areas.get(each["name"], {}), **each, "name": names[each["name"]]} for each in evaluation["classes"]]
    return Figures(
        evaluation,
        classes,
        confusion_rows(evaluation, names),
        list(evaluation.get("top_k", {}).items()),
        _curves(evaluation.get("curves", []), names),
        _reliability(evaluation.get("calibration")),
        [_disturbed(each) for each in (evaluation.get("robustness") or {}).get("disturbed", [])],
    )


def worst_errors(recognizer: Recognizer, evaluation: Mapping[str, Any], names: LabelNames) -> list[Error]:
    """The surest of the wrong answers first."""
    worst = evaluation.get("worst", [])
    pictures = pictures_named(recognizer, [each["sha256"] for each in worst])
    return [
        Error(pictures.get(each["sha256"]), names[each["true"]], names[each["answered"]], each["probability"])
        for each in worst
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
        chart.add_line(_("Training"), [(each.number, getattr(each, name)) for each in epochs], STYLES[0])
        chart.add_line(_("Validation"), [(each.number, getattr(each, f"val_{name}")) for each in epochs], STYLES[1])
        charts.append(chart)
    return charts


def _curves(curves: Sequence[Mapping[str, Any]], names: LabelNames) -> list[Chart]:
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
        ordered = sorted(curves, key=lambda each: each[area], reverse=True)  # the worst drawn last, on top
        plain = ordered[: -len(STYLES)]
        for each in plain:
            chart.add_line(names[each["name"]], each[points], "faint")
        for each, style in zip(reversed(ordered[-len(STYLES) :]), STYLES, strict=False):
            chart.add_line(f"{names[each['name']]} {each[area]:.3f}", each[points], style)
    return [roc, precision_recall]


def _reliability(calibration: Mapping[str, Any] | None) -> list[Chart]:
    """How often answers of each confidence are right, before and after calibration."""
    if not calibration:
        return []
    charts = []
    for title, name in ((_("Before calibration"), "before"), (_("After calibration"), "after")):
        chart = Chart(title, Axis(_("Probability that was said")), Axis(_("Share that was right")))
        chart.add_diagonal()
        for each in calibration[name]["bins"]:
            if each["pictures"]:
                chart.add_bar(each["low"], each["high"], each["accuracy"], is_weak=each["pictures"] < FEW_PICTURES)
        charts.append(chart)
    return charts


def _disturbed(each: Mapping[str, Any]) -> Disturbed:
    name, strength = DISTURBANCES[each["kind"]]
    return Disturbed(str(name), str(strength) % {"strength": f"{each['strength']:g}"}, each["accuracy"])
