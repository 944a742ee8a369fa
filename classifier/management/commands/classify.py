"""`manage.py classify SLUG FILE...`: what the published version makes of some pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from classifier.engine import engine
from training.errors import UnreadablePicture
from training.messages import UserFacingError
from training.models import LabelNames, Recognizer

SHOWN = 5


class Command(BaseCommand):
    help = "Classify pictures with the version in use."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the recognizer's address name")
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            recognizer = Recognizer.objects.named(options["slug"])
            engine.opened(recognizer)
        except UserFacingError as error:
            raise CommandError(str(error)) from error
        names = recognizer.label_names()
        refused = 0
        for path in options["files"]:
            result = _classify(recognizer, path, names)
            refused += "error" in result
            self.stdout.write(json.dumps(result, ensure_ascii=False) if options["json"] else _readable(result))
        if refused:
            raise CommandError(f"{refused} of {len(options['files'])} files could not be classified.")


def _classify(recognizer: Recognizer, path: Path, names: LabelNames) -> dict[str, Any]:
    try:
        answer = engine.classify(recognizer, path)
    except UnreadablePicture as error:
        return {"file": str(path), "error": str(error)}
    except OSError as error:
        return {"file": str(path), "error": f"The file cannot be read: {error.strerror}."}
    return {
        "file": str(path),
        "recognizer": recognizer.slug,
        "version": answer.version.number,
        "label": answer.best.label,
        "scores": answer.named(names),
    }


def _readable(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"{result['file']}: {result['error']}"
    best = ", ".join(f"{score['name']} {score['probability']:.1%}" for score in result["scores"][:SHOWN])
    return f"{result['file']}: {best}"
