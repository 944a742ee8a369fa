"""What the page of a review shows: its lists with their pictures, and what the rows themselves say."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count

from training.data.splitting import SPLITS
from training.models import Label, Picture, Recognizer
from training.results.review_result import LikelyLabelError, ReviewResult

SHOWN_GROUPS = 24
SHOWN_OF_A_GROUP = 8
SHOWN_FLAWED = 60
UNEVEN = 5  # times as many pictures as the thinnest class has


@dataclass(frozen=True)
class DoubtfulPicture:
    """A picture whose label may be wrong; `answer` is None where that label has been deleted since."""

    picture: Picture
    answer: Label | None
    probability: float


@dataclass(frozen=True)
class Group:
    """Near-duplicates, side by side."""

    pictures: list[Picture]
    num_pictures: int
    has_other_labels: bool

    @property
    def num_more(self) -> int:
        return self.num_pictures - len(self.pictures)


@dataclass(frozen=True)
class ClassSize:
    label: Label
    num_pictures: int
    split_sizes: tuple[int, ...]  # in the order of SPLITS

    @property
    def is_split(self) -> bool:
        return any(self.split_sizes)


def label_errors_of(result: ReviewResult, recognizer: Recognizer) -> list[DoubtfulPicture]:
    """Those that nobody has confirmed, moved or deleted since."""
    labels = {each.key: each for each in recognizer.labels.all()}
    pictures = _pictures(recognizer, [each.picture for each in result.label_errors])
    return [
        DoubtfulPicture(picture, labels.get(each.answer), each.probability)
        for each in result.label_errors
        if (picture := pictures.get(each.picture)) and _is_open(picture, each)
    ]


def _is_open(picture: Picture, error: LikelyLabelError) -> bool:
    return not picture.is_label_confirmed and picture.label.key == error.label


def flawed_of(result: ReviewResult, recognizer: Recognizer) -> list[tuple[Picture, list[str]]]:
    """Pictures with what is wrong with them; not those a person has kept all the same."""
    pictures = _pictures(recognizer, [each.picture for each in result.flawed])
    found = [(pictures[each.picture], each.flaws) for each in result.flawed if each.picture in pictures]
    return [(picture, flaws) for picture, flaws in found if not picture.is_label_confirmed][:SHOWN_FLAWED]


def _pictures(recognizer: Recognizer, keys: list[int]) -> dict[int, Picture]:
    return recognizer.pictures.select_related("label").in_bulk(keys)


def groups_of(recognizer: Recognizer) -> list[Group]:
    """Groups of near-duplicates, first those whose labels contradict one another, then the largest."""
    several = (
        recognizer.pictures.exclude(group="")
        .values("group")
        .annotate(size=Count("pk"), num_labels=Count("label", distinct=True))
        .filter(size__gt=1)
        .order_by("-num_labels", "-size", "group")[:SHOWN_GROUPS]
    )
    rows = list(several)
    members: dict[str, list[Picture]] = defaultdict(list)
    wanted = recognizer.pictures.filter(group__in=[row["group"] for row in rows])
    for picture in wanted.select_related("label").order_by("label__key", "pk"):
        members[picture.group].append(picture)
    return [
        Group(members[row["group"]][:SHOWN_OF_A_GROUP], row["size"], has_other_labels=row["num_labels"] > 1)
        for row in rows
    ]


def sizes_of(recognizer: Recognizer) -> list[ClassSize]:
    """How many pictures each class has, and in which splits."""
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for label, side, number in recognizer.pictures.values_list("label", "split").annotate(number=Count("pk")):
        counts[label][side] = number
    return [
        ClassSize(label, sum(counts[label.pk].values()), tuple(counts[label.pk].get(side, 0) for side in SPLITS))
        for label in recognizer.labels.all()
    ]


def is_uneven(sizes: list[ClassSize]) -> bool:
    filled = [each.num_pictures for each in sizes if each.num_pictures]
    return bool(filled) and max(filled) > UNEVEN * min(filled)
