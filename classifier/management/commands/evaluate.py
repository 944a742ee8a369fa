"""`manage.py evaluate SLUG FOLDER`: how well the published version does on a folder of class folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError, CommandParser

from classifier.engine import OpenVersion, engine
from training.errors import TrainingError, UnreadablePicture
from training.evaluation import Evaluation, evaluate
from training.models import Recognizer


class Command(BaseCommand):
    help = "Accuracy, per-class figures and confusion matrix of the version in use on a folder of class folders."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the recognizer's address name")
        parser.add_argument("folder", type=Path, help="holds one folder per class, named by the label's key")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            opened = engine.opened(Recognizer.objects.named(options["slug"]))
        except TrainingError as error:
            raise CommandError(str(error)) from error
        evaluation = self._evaluate(opened, options["folder"])
        if options["json"]:
            figures = {"recognizer": options["slug"], "version": opened.version.number, **evaluation.to_dict()}
            self.stdout.write(json.dumps(figures, ensure_ascii=False))
        else:
            self._print(evaluation)

    def _evaluate(self, opened: OpenVersion, folder: Path) -> Evaluation:
        class_names = opened.version.class_names
        labels, rows = [], []
        for label, path in _labelled_files(folder, class_names):
            try:
                answer = opened.answer(path)
            except UnreadablePicture as error:
                self.stderr.write(f"left out {path}: {error}")
                continue
            by_label = {score.label: score.probability for score in answer.scores}
            labels.append(label)
            rows.append([by_label[name] for name in class_names])
        if not rows:
            raise CommandError(
                f"{folder} holds no picture that can be read in a folder named {' / '.join(class_names)}."
            )
        return evaluate(np.array(labels), np.array(rows), class_names)

    def _print(self, evaluation: Evaluation) -> None:
        self.stdout.write(f"accuracy {evaluation.accuracy:.4f} on {evaluation.pictures} pictures\n\n")
        width = max(len(each.name) for each in evaluation.classes)
        self.stdout.write(f"{'class':{width}}  precision  recall      f1  pictures")
        for each in evaluation.classes:
            self.stdout.write(
                f"{each.name:{width}}  {each.precision:9.3f}  {each.recall:6.3f}  {each.f1:6.3f}  {each.support:8d}"
            )
        self.stdout.write("\nconfusion: a row is what it is, a column what was answered")
        for each, counts in zip(evaluation.classes, evaluation.confusion, strict=True):
            self.stdout.write(f"{each.name:{width}}  " + "".join(f"{count:6d}" for count in counts))


def _labelled_files(folder: Path, class_names: list[str]) -> Iterator[tuple[int, Path]]:
    """Class index and path of every file in a class folder. Raises: CommandError for a folder of another name."""
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder; expected one with a folder per class.")
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    unknown = [path.name for path in folders if path.name not in class_names]
    if unknown:
        raise CommandError(f"The version in use knows no class “{unknown[0]}”. It knows: {', '.join(class_names)}.")
    for path in folders:
        for file in sorted(path.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                yield class_names.index(path.name), file
