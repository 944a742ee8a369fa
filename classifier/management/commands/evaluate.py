"""`manage.py evaluate SLUG FOLDER`: how well the published version does on a folder of class folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from django.core.management.base import BaseCommand, CommandError, CommandParser

from classifier.answer import Answer
from classifier.engine import OpenVersion, engine
from training.data.names import same_name
from training.errors import UnreadablePicture
from training.evaluation.calibration import reliability
from training.evaluation.metrics import Evaluation, evaluation_of
from training.messages import UserFacingError
from training.models import Recognizer

MANY = 30  # classes, from which on the table has only those that occur


@dataclass(frozen=True)
class Figures:
    """What a folder of labelled pictures says of a version."""

    evaluation: Evaluation
    calibration_error: float
    by_chance: float  # what the error would be if every probability were right
    sets: tuple[float, float] | None  # coverage and mean size of the prediction sets; none in earlier versions

    @classmethod
    def of(cls, labels: list[int], answers: list[Answer], class_names: list[str]) -> Self:
        by_label = [{score.label: score.probability for score in answer.scores} for answer in answers]
        probabilities = np.array([[row[name] for name in class_names] for row in by_label])
        calibration = reliability(np.array(labels), probabilities)
        held = [class_names[label] in answer.possible for label, answer in zip(labels, answers, strict=True)]
        sizes = [len(answer.possible) for answer in answers]
        sets = (float(np.mean(held)), float(np.mean(sizes))) if any(sizes) else None
        evaluation = evaluation_of(np.array(labels), probabilities, class_names)
        return cls(evaluation, calibration.error, calibration.by_chance, sets)

    def to_dict(self) -> dict[str, Any]:
        only_of_versions = ("calibration", "prediction_sets", "worst", "robustness", "cost")
        figures = {name: value for name, value in self.evaluation.to_dict().items() if name not in only_of_versions}
        figures |= {"calibration_error": self.calibration_error, "calibration_error_by_chance": self.by_chance}
        if self.sets:
            figures["prediction_sets"] = dict(zip(("coverage", "mean_size"), self.sets, strict=True))
        return figures


class Command(BaseCommand):
    help = "Accuracy, per-class figures and confusion matrix of the version in use on a folder of class folders."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the recognizer's address name")
        parser.add_argument("folder", type=Path, help="holds one folder per class, named by the label's key")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            opened = engine.opened(Recognizer.objects.named(options["slug"]))
        except UserFacingError as error:
            raise CommandError(str(error)) from error
        labels, answers = self._ask(opened, options["folder"])
        figures = Figures.of(labels, answers, opened.version.class_names)
        if options["json"]:
            of_whom = {"recognizer": options["slug"], "version": opened.version.number}
            self.stdout.write(json.dumps({**of_whom, **figures.to_dict()}, ensure_ascii=False))
        else:
            self._print(figures)

    def _ask(self, opened: OpenVersion, folder: Path) -> tuple[list[int], list[Answer]]:
        """Class index and answer of every picture below the folder that can be read."""
        class_names = opened.version.class_names
        labels, answers = [], []
        for label, path in _labelled_files(folder, class_names):
            try:
                answer = opened.answer(path)
            except UnreadablePicture as error:
                self.stderr.write(f"left out {path}: {error}")
                continue
            labels.append(label)
            answers.append(answer)
        if not answers:
            raise CommandError(
                f"{folder} holds no picture that can be read in a folder named {' / '.join(class_names)}."
            )
        return labels, answers

    def _print(self, figures: Figures) -> None:
        evaluation = figures.evaluation
        low, high = evaluation.interval or (0.0, 1.0)
        self.stdout.write(f"accuracy {evaluation.accuracy:.4f} on {evaluation.pictures} pictures")
        self.stdout.write(f"95 % interval {low:.4f} to {high:.4f}")
        self.stdout.write(
            f"calibration error {figures.calibration_error:.4f}; right probabilities would show {figures.by_chance:.4f}"
        )
        if figures.sets:
            coverage, size = figures.sets
            self.stdout.write(f"sets at 90 % hold the true class of {coverage:.1%}; {size:.2f} classes on average")
        self.stdout.write("")
        shown = _that_occur(evaluation) if len(evaluation.classes) > MANY else range(len(evaluation.classes))
        width = max(len(evaluation.classes[i].name) for i in shown)
        self.stdout.write(f"{'class':{width}}  precision  recall      f1  pictures")
        for each in (evaluation.classes[i] for i in shown):
            self.stdout.write(
                f"{each.name:{width}}  {each.precision:9.3f}  {each.recall:6.3f}  {each.f1:6.3f}  {each.support:8d}"
            )
        self.stdout.write("\nconfusion: a row is what it is, a column what was answered")
        for i in shown:
            counts = "".join(f"{evaluation.confusion[i][j]:6d}" for j in shown)
            self.stdout.write(f"{evaluation.classes[i].name:{width}}  {counts}")


def _that_occur(evaluation: Evaluation) -> list[int]:
    """Indices of the classes that a picture shows or was answered with."""
    counts = np.array(evaluation.confusion)
    return [int(i) for i in np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))]


def _labelled_files(folder: Path, class_names: list[str]) -> Iterator[tuple[int, Path]]:
    """Class index and path of every file in a class folder. Raises: CommandError for a folder of another name."""
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder; expected one with a folder per class.")
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    classes = [same_name(path.name, class_names) for path in folders]
    if None in classes:
        unknown = folders[classes.index(None)].name
        raise CommandError(f"The version in use knows no class “{unknown}”. It knows: {', '.join(class_names)}.")
    for path, class_name in zip(folders, classes, strict=True):
        for file in sorted(path.iterdir()):
            if class_name and file.is_file() and not file.name.startswith("."):
                yield class_names.index(class_name), file
