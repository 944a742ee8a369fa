"""What an owner wants to know of a version first: how good it is, whether better, where it errs, what would help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from training.errors import BrokenArtifact, NotComparable
from training.evaluation.comparison import Comparison
from training.evaluation.metrics import ClassMetrics, Evaluation
from training.models import LabelNames, ModelVersion
from webapp.presenters.shares import of_all, points, whole_percent
from webapp.presenters.version_figures import Error

MOST_SHOWN = 4  # pictures of the most frequent error
GOOD_ENOUGH = 0.95  # of a class: more pictures of it would help little
FEW_TESTED = 5  # pictures of a class, below which its figure says little


@dataclass(frozen=True)
class Confused:
    """The most frequent error, in a sentence, and those of its pictures that the evaluation keeps."""

    sentence: str
    errors: list[Error]


def right_on(version: ModelVersion) -> str:
    """How good it is, on pictures it never saw and on new ones; empty where there were none."""
    evaluation = version.figures
    if version.test_accuracy is None or not evaluation.pictures:
        return ""
    seen = _right_on_tested(num_right(evaluation), evaluation.pictures)
    return f"{seen} {_right_on_new(evaluation)}".strip()


def num_right(evaluation: Evaluation) -> int:
    return round(evaluation.accuracy * evaluation.pictures)


def _right_on_tested(right: int, pictures: int) -> str:
    values = {"right": right, "pictures": pictures, "share": whole_percent(right / pictures)}
    if right == pictures:
        return (
            ngettext(
                "Right on the one picture it never saw.", "Right on all %(pictures)d pictures it never saw.", pictures
            )
            % values
        )
    sentence = ngettext(
        "Right on %(right)d of %(pictures)d picture it never saw (%(share)s).",
        "Right on %(right)d of %(pictures)d pictures it never saw (%(share)s).",
        pictures,
    )
    return sentence % values


def _right_on_new(evaluation: Evaluation) -> str:
    if evaluation.interval is None:
        return ""
    low, high = (round(100 * share) for share in evaluation.interval)
    if high >= 100:
        return _("On new ones at least %(low)d of 100.") % {"low": low}
    return _("On new ones between %(low)d and %(high)d of 100.") % {"low": low, "high": high}


def beside(version: ModelVersion, in_use: ModelVersion | None) -> str:
    """Whether it is better than the version in use, and whether that is luck; empty where none other is in use."""
    if in_use is None or in_use == version or version.test_accuracy is None or in_use.test_accuracy is None:
        return ""
    try:
        return better_or_worse(version.against(in_use), in_use.number)
    except (NotComparable, BrokenArtifact):
        return _(
            "Version %(number)d, in use now, was right on %(share)s of other pictures: the two cannot be compared."
        ) % {"number": in_use.number, "share": whole_percent(in_use.test_accuracy)}


def better_or_worse(comparison: Comparison, number: int) -> str:
    """One sentence on a comparison with the version of that number."""
    values = {"number": number, "points": points(comparison.difference)}
    if comparison.verdict == "alike":
        return _("Right on the very same pictures as version %(number)d.") % values
    if comparison.difference == 0:
        return _("As often right as version %(number)d, though not on the same pictures.") % values
    sentences = {
        ("better", True): _("%(points)s better than version %(number)d, and not by luck."),
        ("worse", False): _("%(points)s worse than version %(number)d, and not by bad luck."),
        ("undecided", True): _("%(points)s better than version %(number)d, which may be luck."),
        ("undecided", False): _("%(points)s worse than version %(number)d, which may be bad luck."),
    }
    return sentences[comparison.verdict, comparison.difference > 0] % values


def mostly_errs(evaluation: Evaluation, names: LabelNames, errors: Sequence[Error]) -> Confused | None:
    """The most frequent error, with its pictures among `errors`; None where it makes none."""
    found = [
        (count, each.support, each.name, evaluation.classes[column].name)
        for each, row in zip(evaluation.classes, evaluation.confusion, strict=False)  # earlier releases kept none
        for column, count in enumerate(row)
        if count and evaluation.classes[column] != each
    ]
    if not found:
        return None
    count, support, true, answered = max(found, key=lambda each: (each[0], each[0] / each[1]))
    values = {"true": names[true], "answered": names[answered], "share": of_all(count, support)}
    if count == 1 and len(found) > 1:
        sentence = _("No error comes twice: %(count)d single ones.") % {"count": len(found)}
        return Confused(sentence, list(errors[:MOST_SHOWN]))
    shown = [each for each in errors if (each.true, each.answered) == (values["true"], values["answered"])]
    sentence = _("Errs most often so: %(true)s taken for %(answered)s (%(share)s).") % values
    return Confused(sentence, shown[:MOST_SHOWN])


def what_would_help(evaluation: Evaluation, names: LabelNames) -> str:
    """More pictures of the class that is found least; empty where all are found well."""
    tested = [each for each in evaluation.classes if each.support]
    if not tested:
        return ""
    worst = min(tested, key=lambda each: (each.recall, each.support))
    if worst.recall >= GOOD_ENOUGH:
        return ""
    values = {"name": names[worst.name], "share": of_all(_found(worst), worst.support), "count": worst.support}
    if worst.support < FEW_TESTED:
        sentence = ngettext(
            "More pictures of “%(name)s” would help most: only %(count)d could be kept to test it on.",
            "More pictures of “%(name)s” would help most: only %(count)d could be kept to test it on.",
            worst.support,
        )
        return sentence % values
    return _("More pictures of “%(name)s” would help most: it is right on only %(share)s.") % values


def _found(each: ClassMetrics) -> int:
    return round(each.recall * each.support)
