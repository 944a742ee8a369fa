"""Labelled pictures, and the uploads they came in."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from training import queue, storage
from training.data.members import ReportLine
from training.messages import UserFacingError, say

if TYPE_CHECKING:
    from training.models.recognizers import Label


class Picture(models.Model):
    """One labelled picture, kept re-encoded, upright and without metadata."""

    recognizer = models.ForeignKey("training.Recognizer", models.CASCADE, related_name="pictures")
    label = models.ForeignKey("training.Label", models.RESTRICT, related_name="pictures")
    sha256 = models.CharField(max_length=64)  # of its pixels
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    original_name = models.CharField(max_length=255)
    source = models.CharField(max_length=255, blank=True)  # the object or photo it shows, where the import said so
    fingerprint = models.CharField(max_length=255, blank=True)  # perceptual hashes; empty where not computed yet
    group = models.CharField(max_length=64, blank=True, db_index=True)  # of near-duplicates; empty where not looked for
    split = models.CharField(max_length=10, blank=True)  # train, validation or test; it stays on its side
    is_label_confirmed = models.BooleanField(default=False)  # a person looked at it: no suspect any more
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

    def confirm(self, label: Label) -> None:
        """A person says what it shows; the review does not ask again."""
        Picture.objects.filter(pk=self.pk).update(label=label, is_label_confirmed=True)

    def remove(self) -> None:
        """Delete it, then its file."""
        stored = self.file
        self.delete()
        storage.forget(stored)


class PictureImportQuerySet(models.QuerySet["PictureImport"]):
    def waiting(self) -> Self:
        """Queued, or given up by whoever was reading it."""
        given_up = Q(state=PictureImport.State.READING, heartbeat__lt=timezone.now() - PictureImport.STALE_AFTER)
        return self.filter(Q(state=PictureImport.State.QUEUED) | given_up)


class PictureImport(models.Model):
    """One upload of many pictures, with a report line for every file in it."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        READING = "reading", _("reading")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    recognizer = models.ForeignKey("training.Recognizer", models.CASCADE, related_name="imports")
    name = models.CharField(max_length=255)  # of the zip, or of the label the files were put on
    archive = models.CharField(max_length=255, blank=True)  # name in the store, while it waits
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    heartbeat = models.DateTimeField(null=True)
    num_files = models.PositiveIntegerField(default=0)
    num_read = models.PositiveIntegerField(default=0)
    num_taken = models.PositiveIntegerField(default=0)
    num_refused = models.PositiveIntegerField(default=0)
    report: models.JSONField[list[dict[str, Any]]] = models.JSONField(default=list)
    error_sentence: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    STALE_AFTER: ClassVar[timedelta] = timedelta(seconds=60)

    objects = PictureImportQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "reading", "done", "failed"]), name="import_state_is_known"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def error(self) -> str:
        return say(self.error_sentence)

    @property
    def has_ended(self) -> bool:
        return self.state in (self.State.DONE, self.State.FAILED)

    def claim(self) -> bool:
        """Begin to read it; false where someone else does already."""
        rows = PictureImport.objects.waiting().filter(pk=self.pk)
        won = rows.update(state=self.State.READING, heartbeat=timezone.now()) == 1
        if won:
            self.refresh_from_db()
        return won

    def progress(self, **counts: int) -> None:
        PictureImport.objects.filter(pk=self.pk).update(heartbeat=timezone.now(), **counts)

    def end(self, lines: list[ReportLine]) -> None:
        """Keep the report."""
        taken = sum(line.is_taken for line in lines)
        PictureImport.objects.filter(pk=self.pk).update(
            state=self.State.DONE,
            report=[asdict(line) for line in lines],
            num_files=len(lines),
            num_read=len(lines),
            num_taken=taken,
            num_refused=len(lines) - taken,
        )

    def fail(self, error: UserFacingError) -> None:
        PictureImport.objects.filter(pk=self.pk).update(state=self.State.FAILED, error_sentence=error.sentence)

    def nudge(self, *, expires: int | None = None) -> None:
        """Tell a worker that it waits. The reconciler finds it where no broker answers."""
        queue.nudge(queue.READ_IMPORT, self.pk, expires=expires)
