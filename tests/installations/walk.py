"""Goes through an installation as its owner would, with today's code: `python -m tests.installations.walk FILE`.

DATA_DIR and DATABASE_URL say which one; FILE is what the release that made it wrote down, pictures beside it. Prints
JSON: what each part came to, by its name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import celery.app.base
import django

celery.app.base.Celery.send_task = lambda *args, **kwargs: None  # nobody hears a nudge
django.setup()

import numpy as np  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from classifier.engine import engine  # noqa: E402
from training.data.images import load_pixels  # noqa: E402
from training.models import Job, ModelVersion, PictureImport, Recognizer, Search, TrainingRun  # noqa: E402
from training.models.leases import Leased  # noqa: E402
from training.models.versions import roll_back, version_before  # noqa: E402
from training.runs.reconciler import reconcile  # noqa: E402
from training.runs.supervisor import carry_out  # noqa: E402

Expected = dict[str, Any]


def scores(expected: Expected, folder: Path) -> dict[str, float]:
    """The largest difference of a probability to what the release answered, by version."""
    return {
        f"{each['recognizer']} {each['number']}": max(
            _difference(ModelVersion.objects.get(pk=each["pk"]), answer, folder) for answer in each["answers"]
        )
        for each in expected["versions"]
    }


def _difference(version: ModelVersion, answer: dict[str, Any], folder: Path) -> float:
    pixels = load_pixels(folder / answer["file"], version.image_size)[np.newaxis].astype(np.float32)
    raw = version.files.open_serving_model()(pixels)
    calibrated = version.calibrator.calibrated(raw)
    pairs = ((raw, answer["raw"]), (calibrated, answer["calibrated"]))
    return max(float(np.abs(np.asarray(ours) - np.asarray(theirs)).max()) for ours, theirs in pairs)


def answered(expected: Expected, folder: Path) -> dict[str, int]:
    """Which version answers a visitor, by recognizer."""
    return {
        slug: engine.classify(
            Recognizer.objects.get(slug=slug), (folder / f"pictures/{slug}-0.png").read_bytes()
        ).version.number
        for slug in expected["active_version"]
    }


def pages(expected: Expected, folder: Path) -> dict[str, int]:
    """The status of every kind of page that shows a row of then."""
    ids = expected["ids"]
    client = Client(SERVER_NAME="localhost")
    client.post("/login/", expected["staff"])
    inspection = Job.objects.filter(kind=Job.Kind.INSPECTION).first()
    addresses = [
        *("/manage/", "/manage/shapes/", "/manage/digits/", "/manage/runs/", "/manage/shapes/review/"),
        *("/manage/shapes/pictures/", "/manage/shapes/train/", "/manage/shapes/search/", "/r/digits/", "/r/shapes/"),
        *(f"/manage/shapes/versions/{number}/" for number in (1, 2, 3)),
        *(f"/manage/shapes/versions/{number}/{part}/" for number in (2, 3) for part in ("report", "inside")),
        "/manage/shapes/compare/?a=1&b=2",
        *([f"/manage/shapes/versions/2/inside/{inspection.pk}/"] if inspection else []),
        *(f"/manage/runs/{pk}/" for pk in ids["runs"].values()),
        *(f"/manage/imports/{pk}/" for pk in ids["imports"].values()),
        *(f"/manage/searches/{pk}/" for pk in ids["studies"].values()),
        *(f"/api/v1/runs/{pk}" for pk in ids["runs"].values()),
        *(f"/api/v1/{word}/{pk}" for word in ("studies", "searches") for pk in ids["studies"].values()),
        "/api/v1/recognizers/shapes/versions/2/evaluation",
    ]
    return {
        f"{language} {each}": _status(client, each, language) for language in ("en", "zh-hans") for each in addresses
    }


def _status(client: Client, address: str, language: str) -> int:
    return client.get(address, headers={"Accept-Language": language}).status_code


def publishing(expected: Expected, folder: Path) -> list[int | None]:
    """Numbers of the versions in use: now, after the third was published, after two steps back."""
    shapes = Recognizer.objects.get(slug="shapes")
    seen = [_in_use(shapes)]
    shapes.versions.get(number=3).publish(None, "Opened by a newer release")
    seen.append(_in_use(shapes))
    for _step in range(2):
        roll_back(shapes, None, "Back")
        seen.append(_in_use(shapes))
    return seen


def _in_use(recognizer: Recognizer) -> int | None:
    active = recognizer.versions.active()
    return active.number if active else None


def before(expected: Expected, folder: Path) -> dict[str, Any]:
    shapes = Recognizer.objects.get(slug="shapes")
    earlier = version_before(shapes)
    return {
        "version_before": earlier.number if earlier else None,
        "against": shapes.versions.get(number=2).against(shapes.versions.get(number=1)).pictures,
        "figures": {each.number: each.figures.accuracy for each in shapes.versions.all()},
        "rows": {model.__name__: model._default_manager.count() for model in (TrainingRun, Search, ModelVersion)},
    }


def imports(expected: Expected, folder: Path) -> dict[str, Any]:
    """The zip that waits and the one whose reader was killed are read."""
    reconcile()
    ids = expected["ids"]["imports"]
    return {name: _carried_out(PictureImport.objects.get(pk=ids[name])) for name in ("waits", "stuck_in_reading")}


def _carried_out(row: Leased) -> dict[str, Any]:
    carry_out(row, owner="train@new-host")
    row.refresh_from_db()
    counts = ("num_taken", "num_refused", "epochs_done", "resumed_from")
    made = getattr(row, "made", None)
    return {
        "state": str(row.state),
        "error": row.error,
        "version": made.number if made else None,
        **{name: getattr(row, name) for name in counts if hasattr(row, name)},
    }


def runs(expected: Expected, folder: Path) -> dict[str, Any]:
    """A run that waits is carried out, one that failed goes on from its checkpoint, and a trial of a search ends."""
    ids = expected["ids"]["runs"]
    assert TrainingRun.objects.get(pk=ids["failed_with_checkpoints"]).go_on()
    chosen = ("waits", "failed_with_checkpoints", "trial_that_waits")
    return {name: _carried_out(TrainingRun.objects.get(pk=ids[name])) for name in chosen}


def search(expected: Expected, folder: Path) -> dict[str, Any]:
    """The search that was cut off goes on with further trials, under the name that Optuna knows it by."""
    row = Search.objects.get(pk=expected["ids"]["studies"]["searching"])
    row.move_on()
    row.refresh_from_db()
    return {"state": row.state, "waiting": row.trials.queued().count(), "best": row.best() is not None}


PARTS: tuple[Callable[[Expected, Path], Any], ...] = (
    *(before, scores, answered, pages, publishing, imports, runs, search),
)


@contextmanager
def _quiet() -> Iterator[None]:
    """What commands print goes to the error output; ours alone is JSON."""
    usual, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = usual


def main(expected_file: Path) -> None:
    expected = json.loads(expected_file.read_text(encoding="utf-8"))
    with _quiet():
        call_command("migrate", verbosity=0)
        call_command("collectstatic", "--no-input", verbosity=0)
        came_to = {part.__name__: part(expected, expected_file.parent) for part in PARTS}
    print(json.dumps(came_to))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
