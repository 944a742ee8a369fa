"""Everyday things: what ImageNet's 1,000 classes are called in everyday words, several of them by one name.

`everyday_classes.csv` has a row for each class, in ImageNet's order; rows of the same key are one label.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("everyday_classes.csv")
NUM_CLASSES = 1000  # of ImageNet
SLUG = "everyday"

# Settings of a run that teaches nothing: the network answers from what it has learned of ImageNet already.
SETTINGS: dict[str, Any] = {"network": "efficientnetlite2", "image_size": 260, "fine_tune": "none"}


@dataclass(frozen=True)
class EverydayClass:
    """A label and ImageNet's classes that it stands for, by their numbers from 0."""

    key: str
    name_en: str
    name_zh: str
    numbers: list[int]


@cache
def everyday_classes() -> list[EverydayClass]:
    """Every label, in the order of its first class."""
    found: dict[str, EverydayClass] = {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            label = EverydayClass(row["key"], row["name_en"], row["name_zh"], [])
            found.setdefault(row["key"], label).numbers.append(int(row["index"]))
    return list(found.values())


def imagenet_classes() -> dict[str, list[int]]:
    """The numbers of each label's classes, by its key."""
    return {each.key: each.numbers for each in everyday_classes()}
