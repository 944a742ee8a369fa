"""Some pictures that a run does not learn from, and how their answers turn as it learns."""

from __future__ import annotations

from typing import TypedDict

from django.urls import reverse
from django.utils.translation import gettext as _

from training.models import TrainingRun
from training.results.watched_picture import WatchedPicture


class WatchedRow(TypedDict):
    image: str  # address of the picture
    label: str
    answer: str
    is_right: bool
    note: str  # what it is where the answer is wrong, or what it was taken for before; empty where it always was right


def watched_of(run: TrainingRun) -> list[WatchedRow]:
    """In the order of their classes; those that were deleted since are left out."""
    pictures = [WatchedPicture.from_dict(each) for each in run.watched]
    if not pictures:
        return []
    wanted = [each.sha256 for each in pictures]
    keys = dict(run.recognizer.pictures.filter(sha256__in=wanted).values_list("sha256", "pk"))
    names = run.recognizer.label_names()
    return [_row(each, keys[each.sha256], names) for each in pictures if each.sha256 in keys and each.answers]


def _row(picture: WatchedPicture, pk: int, names: dict[str, str]) -> WatchedRow:
    answer = picture.answers[-1]
    return {
        "image": reverse("picture-file", args=[pk]),
        "label": names[picture.label],
        "answer": names[answer],
        "is_right": answer == picture.label,
        "note": _note(picture, names),
    }


def _note(picture: WatchedPicture, names: dict[str, str]) -> str:
    if picture.answers[-1] != picture.label:
        return _("is %(label)s") % {"label": names[picture.label]}
    others = [answer for answer in picture.answers if answer != picture.label]
    return _("was taken for %(label)s") % {"label": names[others[-1]]} if others else ""
