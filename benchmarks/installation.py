"""An installation of its own for a benchmark: settings, rows and files below one folder, trainings without a worker."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.models import ModelVersion, Recognizer


def open_installation(folder: Path) -> None:
    """Set Django up on an installation below a folder, made where there is none."""
    os.environ["DATA_DIR"] = str((folder / "installation").resolve())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")  # nobody is nudged: the command trains by itself
    folder.mkdir(parents=True, exist_ok=True)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def recognizer_of(pictures: Path, groups: Path | None = None) -> Recognizer:
    """The recognizer named after a folder of class folders, with its pictures imported.

    Args:
        groups: a groups.csv, used where it names the folder.
    """
    from django.core.management import call_command

    from training.models import Recognizer

    slug = pictures.name.replace("_", "-")
    if not Recognizer.objects.filter(slug=slug).exists():
        names = groups is not None and groups.exists() and f"\n{pictures.name}," in groups.read_text()
        call_command("import_pictures", slug, str(pictures), "--create", *(["--groups", str(groups)] if names else []))
    return Recognizer.objects.get(slug=slug)


def train(recognizer: Recognizer, *arguments: str) -> tuple[ModelVersion, float]:
    """`manage.py train` from its start to its version, and the seconds that took."""
    from django.core.management import call_command

    began = time.monotonic()
    call_command("train", recognizer.slug, *arguments)
    seconds = time.monotonic() - began
    version = recognizer.versions.first()
    assert version is not None
    return version, seconds


def peak_megabytes() -> int:
    """The most memory that any process started so far has had at once."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
