"""Work that wants a process of its own but trains nothing: looking through pictures, into a network, at the clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from training import queue, storage
from training.models.leases import Leased, LeasedQuerySet


class JobQuerySet(LeasedQuerySet):
    """Those of all leased rows."""


class Job(Leased):
    """Something that a trainer process computes for a page."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        WORKING = "working", _("working")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    class Kind(models.TextChoices):
        REVIEW = "review", _("looking through the pictures")
        INSPECTION = "inspection", _("looking inside a version")
        DRY_RUN = "dry_run", _("measuring how long a training takes")

    ACTIVE = (State.WORKING,)
    ENDED = (State.DONE, State.FAILED, State.CANCELLED)
    KEPT_FOR: ClassVar[timedelta] = timedelta(days=7)

    recognizer = models.ForeignKey("training.Recognizer", models.CASCADE, related_name="jobs")
    version = models.ForeignKey("training.ModelVersion", models.CASCADE, null=True, related_name="jobs")
    kind = models.CharField(max_length=12, choices=Kind)
    params: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    progress = models.FloatField(default=0)  # share of 1
    result: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state", "heartbeat"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "working", "done", "failed", "cancelled"]), name="job_state_is_known"
            ),
            models.CheckConstraint(condition=Q(kind__in=["review", "inspection", "dry_run"]), name="job_kind_is_known"),
            models.CheckConstraint(
                condition=Q(state__in=["done", "failed", "cancelled"], ended_at__isnull=False)
                | Q(state__in=["queued", "working"], ended_at__isnull=True),
                name="an_ended_job_says_when",
            ),
            models.CheckConstraint(
                condition=~Q(state="working", heartbeat__isnull=True), name="a_working_job_has_a_heartbeat"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recognizer.slug} {self.kind} {self.pk}"

    @property
    def work_name(self) -> str:
        return f"jobs/{self.pk}-{self.lease}"

    @property
    def command_line(self) -> tuple[str, ...]:
        return "job", str(self.pk), str(self.lease)

    @property
    def batch_size(self) -> int:
        return int(self.params.get("batch_size", 32))

    @property
    def folder(self) -> str:
        """Where files that came of it lie in the store; they go with the row."""
        return f"jobs/{self.pk}"

    def nudge(self, *, expires: int | None = None) -> None:
        """Tell a worker that it waits. An idle one finds it where no broker answers."""
        queue.nudge(queue.CARRY_OUT_JOB, self.pk, expires=expires)

    def advance(self, progress: float) -> None:
        """Raises: LeaseLost."""
        self.write(progress=progress)

    def finish(self, result: dict[str, Any]) -> None:
        """End it while held. Raises: LeaseLost."""
        self.write(state=self.State.DONE, result=result, progress=1, ended_at=timezone.now())

    def remove(self) -> None:
        """Delete it, then its files; a process that is at it ends within a second."""
        with transaction.atomic():
            storage.forget_on_commit([self.folder], [])
            self.delete()
