"""Labelled pictures, and the uploads they came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from training import queue, storage
from training.data.members import ReportLine
from training.models.edits import Edited
from training.models.leases import Leased, LeasedQuerySet
from training.models.workers import Worker


class Picture(Edited):
    """One labelled picture, kept re-encoded, upright and without metadata."""

    EDITED = ("label_id", "is_label_confirmed")

    recognizer = models.ForeignKey("training.Recognizer", models.CASCADE, related_name="pictures")
    label = models.ForeignKey("training.Label", models.RESTRICT, related_name="pictures")
    sha256 = models.CharField(max_length=64)  # of its pixels
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    original_name = models.CharField(max_length=255)
    source = models.CharField(max_length=255, blank=True)  # the object or photo it shows, where the import said so
    perceptual_hashes = models.CharField(max_length=255, blank=True)  # perceptual hashes; empty where not computed yet
    group = models.CharField(max_length=64, blank=True, db_index=True)  # of near-duplicates; empty where not looked for
    split = models.CharField(max_length=10, blank=True)  # train, validation or test; it stays on its side
    is_label_confirmed = models.BooleanField(default=False)  # a person looked at it: no suspect any more
    came_with = models.ForeignKey("training.PictureImport", models.SET_NULL, null=True, related_name="pictures")
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["recognizer", "sha256"], name="one_picture_content_a_recognizer")
        ]

    def __str__(self) -> str:
        return self.original_name

    @property
    def file(self) -> str:
        """Name in the store."""
        return f"pictures/{self.recognizer_id}/{self.sha256[:2]}/{self.sha256}.webp"

    @property
    def path(self) -> Path:
        return storage.local_path(self.file)

    def confirm(self, label_id: int, by: User, opened: Mapping[str, Any]) -> bool:
        """A person says what it shows, and the review does not ask again; unless another said something else.

        Args:
            opened: label and whether it was confirmed, as that person saw it.
        Returns: whether it is so now.
        """
        said = {"label_id": label_id, "is_label_confirmed": True}
        return self.edited() == said or self.change(said, by, opened)

    def remove(self, opened: Mapping[str, Any] | None = None) -> bool:
        """Delete it, then its file.

        Args:
            opened: label and whether it was confirmed, as whoever deletes it saw it; it stays if they have changed.
        Returns: whether it is gone.
        """
        stored = self.file
        is_deleted = self.delete_unless_changed(opened or {})
        if is_deleted:
            storage.forget(stored)
        return is_deleted


class PictureImportQuerySet(LeasedQuerySet):
    """Those of all leased rows."""


class PictureImport(Leased):
    """One upload of many pictures, with a report line for every file in it."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        READING = "reading", _("reading")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    ACTIVE = (State.READING,)
    ENDED = (State.DONE, State.FAILED, State.CANCELLED)

    recognizer = models.ForeignKey("training.Recognizer", models.CASCADE, related_name="imports")
    name = models.CharField(max_length=255)  # of the zip, or of the label the files were put on
    archive = models.CharField(max_length=255, blank=True)  # name in the store, while it waits
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    num_files = models.PositiveIntegerField(default=0)
    num_read = models.PositiveIntegerField(default=0)
    num_taken = models.PositiveIntegerField(default=0)
    num_refused = models.PositiveIntegerField(default=0)
    report: models.JSONField[list[dict[str, Any]]] = models.JSONField(default=list)

    objects = PictureImportQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state", "heartbeat"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "reading", "done", "failed", "cancelled"]),
                name="import_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "failed", "cancelled"], ended_at__isnull=False)
                | Q(state__in=["queued", "reading"], ended_at__isnull=True),
                name="an_ended_import_says_when",
            ),
            models.CheckConstraint(
                condition=~Q(state="reading", heartbeat__isnull=True), name="a_working_import_has_a_heartbeat"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def work_name(self) -> str:
        return f"reading/{self.pk}-{self.lease}"

    @property
    def command_line(self) -> tuple[str, ...]:
        return "import", str(self.pk), str(self.lease)

    def nudge(self, *, expires: int | None = None) -> None:
        """Tell a worker that it waits: one that reads imports, and the clock where none is alive.

        The units of an installation may start what an earlier release had, where the clock was all there was.
        """
        to = queue.IMPORTS if Worker.objects.reading_imports().exists() else None
        queue.nudge(queue.READ_IMPORT, self.pk, to=to, expires=expires)

    def advance(self, **values: Any) -> None:
        """Keep how far it is. Raises: LeaseLost."""
        self.write(**values)

    def request_cancel(self) -> bool:
        is_asked = super().request_cancel()
        self._forget_archive_once_ended()
        return is_asked

    def _end(self, state: str, **values: Any) -> bool:
        """What was taken stays, and is counted, however its reader ended."""
        has_ended = super()._end(state, num_taken=self.pictures.count(), **values)
        self._forget_archive_once_ended()
        return has_ended

    def _forget_archive_once_ended(self) -> None:
        if self.archive and self._rows().filter(pk=self.pk, state__in=self.ENDED).exists():
            storage.forget_on_commit([], [self.archive])

    def finish(self, lines: list[ReportLine]) -> None:
        """End it while held, with its report. Raises: LeaseLost."""
        self.write(state=self.State.DONE, ended_at=timezone.now(), **reported(lines))


def reported(lines: list[ReportLine]) -> dict[str, Any]:
    """What an import's row keeps of a report."""
    taken = sum(line.is_taken for line in lines)
    return {
        "report": [asdict(line) for line in lines],
        "num_files": len(lines),
        "num_read": len(lines),
        "num_taken": taken,
        "num_refused": len(lines) - taken,
    }
