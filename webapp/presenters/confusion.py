"""The confusion matrix as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from training.evaluation.metrics import Evaluation
from training.models import LabelNames

STEPS = 10  # of shade; staff.css has a class for each


@dataclass(frozen=True)
class Cell:
    """How many pictures of the row's class were answered as the column's."""

    count: int
    step: int  # 0 for none, 10 for all of the row's
    is_right: bool


@dataclass(frozen=True)
class Row:
    name: str
    cells: list[Cell]


def confusion_rows(evaluation: Evaluation, names: LabelNames) -> list[Row]:
    """A row for each true class, a cell for each answer; `names` has what to call a class, by key."""
    keys = [each.name for each in evaluation.classes]
    rows = []
    for i, counts in enumerate(evaluation.confusion):
        total = sum(counts) or 1
        cells = [Cell(count, -(-STEPS * count // total), i == j) for j, count in enumerate(counts)]
        rows.append(Row(names[keys[i]], cells))
    return rows
