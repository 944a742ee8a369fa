"""A version's report as one HTML file to hand in: styles, charts and pictures are in it, nothing is fetched."""

from __future__ import annotations

from base64 import b64encode

from django.conf import settings
from django.template.loader import render_to_string

from training.data.images import thumbnail
from training.errors import UnreadablePicture
from training.models import ModelVersion, Picture
from webapp.presenters.run_facts import made_with
from webapp.presenters.setting_names import said
from webapp.presenters.version_figures import figures_of, training_curves, worst_errors

MOST_ERRORS = 12
THUMBNAIL_SIDE = 128  # pixels
STYLES = ("staff.css", "figures.css", "report.css")


def report_on(version: ModelVersion) -> str:
    """The whole file, in the active language."""
    recognizer = version.recognizer
    names, evaluation = recognizer.label_names(), version.figures
    errors = worst_errors(recognizer, evaluation, names)[:MOST_ERRORS]
    context = {
        "is_report": True,
        "version": version,
        "recognizer": recognizer,
        "run": version.run,
        "figures": figures_of(evaluation, names),
        "settings": said(version.run.config),
        "training": training_curves(list(version.run.epochs.all())),
        "errors": [(error, _embedded(error.picture)) for error in errors],
        "made_with": made_with(version.run),
        "css": "\n".join((settings.BASE_DIR / "static" / "css" / name).read_text() for name in STYLES),
    }
    return render_to_string("versions/report.html", context)


def _embedded(picture: Picture | None) -> str:
    """A small JPEG in base64; empty where the picture has gone or cannot be read."""
    try:
        return b64encode(thumbnail(picture.path, THUMBNAIL_SIDE)).decode() if picture else ""
    except (UnreadablePicture, OSError):
        return ""
