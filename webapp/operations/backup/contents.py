"""What lies in a backup: a description, the rows as JSON lines, the files by their names in the store, every hash.

backup.json   when, from what, how much
rows.jsonl    one row a line, as Django's serializers write them
files/        pictures, versions, checkpoints and zips that wait, by their names in the store
SHA256SUMS    of all of these; `sha256sum -c` reads it
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core import serializers
from django.db import models

from training.messages import N_
from webapp.errors import NoBackup

FORMAT = 1
DESCRIPTION, ROWS, FILES, SUMS = "backup.json", "rows.jsonl", "files", "SHA256SUMS"

# What every installation makes for itself, what is true only of the machine or the moment, and what a push of a button
# computes again: jobs, of which no other row knows.
LEFT_OUT = frozenset(
    [
        *("auth.Permission", "contenttypes.ContentType", "sessions.Session"),
        *("training.Worker", "training.Job", "classifier.FailedOpening"),
    ]
)
APPS_LEFT_OUT = frozenset(["axes"])  # failed logins


Show = Callable[[str], None]  # told how far a long work is


def show_nobody(text: str) -> None: ...


@dataclass(frozen=True)
class Description:
    """What `backup.json` says."""

    format: int
    discern: str  # version
    made_at: str  # ISO 8601, UTC
    database: str  # Django's name of the engine
    migrations: dict[str, list[str]]  # applied ones, by app
    rows: dict[str, int]  # number by model
    num_files: int
    num_bytes: int  # of the files
    unsound: list[str]  # names of files that were missing or damaged in the store already

    @property
    def num_rows(self) -> int:
        return sum(self.rows.values())

    def save(self, folder: Path) -> None:
        text = json.dumps(asdict(self), ensure_ascii=False, indent=2)
        (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Description:
        """Raises: NoBackup if the folder is none that this version can read."""
        try:
            stored = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            if stored["format"] == FORMAT:
                return cls(**stored)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise NoBackup(
                N_(
                    "%(folder)s is no backup: its %(name)s cannot be read (%(reason)s). "
                    "Name a folder that manage.py backup made."
                ),
                folder=str(folder),
                name=DESCRIPTION,
                reason=f"{type(error).__name__}: {error}",
            ) from error
        raise NoBackup(
            N_(
                "%(folder)s has format %(format)s and was made by Discern %(version)s; this Discern %(own)s reads "
                "format %(known)d. Install the Discern that made it."
            ),
            folder=str(folder),
            format=str(stored["format"]),
            version=str(stored.get("discern")),
            own=discern_version(),
            known=FORMAT,
        )


def discern_version() -> str:
    return str(tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def kept_models() -> list[type[models.Model]]:
    """The models whose rows are kept, each after those that it names by a natural key."""
    kept = [
        (app, [model for model in app.get_models() if model._meta.managed and model._meta.label not in LEFT_OUT])
        for app in apps.get_app_configs()
        if app.label not in APPS_LEFT_OUT
    ]
    return serializers.sort_dependencies(kept, allow_cycles=True)


def kept_apps() -> set[str]:
    """The apps whose tables must be as they were when the backup was made."""
    return {model._meta.app_label for model in kept_models()} | {"contenttypes"}


def write_sums(folder: Path, sums: dict[str, str]) -> None:
    lines = [f"{sums[name]}  {name}\n" for name in sorted(sums)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def read_sums(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of everything in a backup. Raises: NoBackup if a line is none."""
    for line in (folder / SUMS).read_text(encoding="utf-8").splitlines():
        sha256, separator, name = line.partition("  ")
        if len(sha256) != 64 or not separator or not name or name.startswith("/") or ".." in name.split("/"):
            raise NoBackup(
                N_("%(folder)s is damaged: a line of its %(name)s is “%(line)s”. Take another backup."),
                folder=str(folder),
                name=SUMS,
                line=line[:100],
            )
        yield name, sha256
