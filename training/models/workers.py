"""The workers that carry out training runs or read imports, as they last said themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.utils import timezone

if TYPE_CHECKING:
    from training.models.runs import TrainingRun


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self) -> Self:
        """Those that train."""
        return self._seen().filter(trains=True)

    def reading_imports(self) -> Self:
        """Those alive that read imports."""
        return self._seen().filter(reads_imports=True)

    def _seen(self) -> Self:
        return self.filter(seen_at__gt=timezone.now() - Worker.SILENT_AFTER)

    def with_gpu(self) -> Self:
        return self.filter(num_gpus__gt=0)


class Worker(models.Model):
    """One worker process: where it runs and what it has."""

    SILENT_AFTER: ClassVar[timedelta] = timedelta(seconds=60)

    name = models.CharField(max_length=255, unique=True)  # Celery's, such as train@host
    host = models.CharField(max_length=255)
    device = models.CharField(max_length=200)  # name of the CPU, or of the GPUs
    num_gpus = models.PositiveIntegerField(default=0)
    num_cores = models.PositiveIntegerField()
    memory_bytes = models.PositiveBigIntegerField()
    trains = models.BooleanField(default=True)
    reads_imports = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def has_gpu(self) -> bool:
        return self.num_gpus > 0

    def carries_out(self, run: TrainingRun) -> bool:
        return run.state in run.ACTIVE and run.owner == self.name
