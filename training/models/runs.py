"""Training runs, their epochs and their checkpoints.

A run's row is the truth about it. Its state moves by conditional updates whose row count says who won; every write of a
running trainer carries the lease it claimed, so a process that was given up for dead cannot write any more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from training import queue, storage
from training.artifact import check_files
from training.config import TrainingConfig
from training.errors import N_, GaveUp, LeaseLost, TrainingError, say
from training.models.recognizers import Recognizer

if TYPE_CHECKING:
    from training.callbacks import EpochResult
    from training.models.versions import ModelVersion


class TrainingRunQuerySet(models.QuerySet["TrainingRun"]):
    def queued(self) -> Self:
        return self.filter(state=TrainingRun.State.QUEUED)

    def active(self) -> Self:
        return self.filter(state__in=TrainingRun.ACTIVE)

    def unfinished(self) -> Self:
        """Waiting or active."""
        return self.exclude(state__in=TrainingRun.ENDED)

    def orphaned(self) -> Self:
        """Active, but nobody has said so for a while."""
        return self.active().filter(heartbeat__lt=timezone.now() - TrainingRun.STALE_AFTER)


class TrainingRun(models.Model):
    """One training of one network: asked for, claimed by a worker, done, failed or cancelled."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        PREPARING = "preparing", _("preparing")
        TRAINING = "training", _("training")
        EVALUATING = "evaluating", _("evaluating")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    ACTIVE: ClassVar = (State.PREPARING, State.TRAINING, State.EVALUATING)
    ENDED: ClassVar = (State.SUCCEEDED, State.FAILED, State.CANCELLED)
    STALE_AFTER: ClassVar[timedelta] = timedelta(seconds=60)
    MAX_ATTEMPTS: ClassVar[int] = 3
    LOG_CHARACTERS: ClassVar[int] = 20_000

    recognizer = models.ForeignKey("training.Recognizer", models.CASCADE, related_name="runs")
    config: models.JSONField[dict[str, Any]] = models.JSONField()
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    publish_when_done = models.BooleanField(default=False)
    needs_gpu = models.BooleanField(default=False)  # waits for a worker that has one
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    cancel_requested = models.BooleanField(default=False)

    lease = models.PositiveIntegerField(default=0)  # rises with every claim
    attempts = models.PositiveIntegerField(default=0)
    owner = models.CharField(max_length=255, blank=True)  # name of the worker, or host and process, that claimed it
    heartbeat = models.DateTimeField(null=True)

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    epochs_done = models.PositiveIntegerField(default=0)
    resumed_from = models.PositiveIntegerField(default=0)  # epochs that the latest attempt found done
    interruption_sentence: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)  # why the one before ended
    num_train = models.PositiveIntegerField(default=0)
    num_validation = models.PositiveIntegerField(default=0)
    num_test = models.PositiveIntegerField(default=0)
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    device = models.CharField(max_length=200, blank=True)
    device_reason: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)  # why not a GPU
    log = models.TextField(blank=True)  # its tail
    error_sentence: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    objects = TrainingRunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state", "heartbeat"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "queued",
                        "preparing",
                        "training",
                        "evaluating",
                        "succeeded",
                        "failed",
                        "cancelled",
                    ]
                ),
                name="run_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["succeeded", "failed", "cancelled"], ended_at__isnull=False)
                | Q(state__in=["queued", "preparing", "training", "evaluating"], ended_at__isnull=True),
                name="an_ended_run_says_when",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["preparing", "training", "evaluating"], heartbeat__isnull=True),
                name="a_working_run_has_a_heartbeat",
            ),
            models.CheckConstraint(
                condition=Q(state="queued") | Q(state="cancelled") | Q(state="failed") | Q(lease__gt=0),
                name="only_a_claimed_run_works",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recognizer.slug} run {self.pk}"

    @property
    def training_config(self) -> TrainingConfig:
        return TrainingConfig.from_dict(self.config)

    @property
    def error(self) -> str:
        return say(self.error_sentence)

    @property
    def interruption(self) -> str:
        """Why the attempt before this one was cut off; empty where none was."""
        return say(self.interruption_sentence)

    @property
    def can_go_on(self) -> bool:
        """It failed, but what it had learned is kept."""
        return self.state == self.State.FAILED and self.checkpoints.exists()

    @property
    def device_explanation(self) -> str:
        return say(self.device_reason)

    @property
    def has_ended(self) -> bool:
        return self.state in self.ENDED

    @property
    def folder(self) -> str:
        """Where its manifest and its checkpoints lie in the store."""
        return f"checkpoints/{self.pk}"

    @property
    def made(self) -> ModelVersion | None:
        """The version it came to; None where it has not, or did not, come to one."""
        return getattr(self, "version", None)

    @property
    def num_epochs(self) -> int:
        return int(self.config["epochs"])

    def expected_end(self) -> datetime | None:
        """When the last epoch should be done, going by the latest one; None while there is nothing to go by.

        Epochs of the head alone say nothing about the longer ones of the fine-tuning.
        """
        last = self.epochs.order_by("-number").first()
        config = self.training_config
        is_training = self.state in (self.State.TRAINING, self.State.EVALUATING)
        if last is None or not is_training or last.number <= self.resumed_from:
            return None
        if config.is_fine_tuned and last.number <= config.head_epochs < config.epochs:
            return None
        return last.at + timedelta(seconds=last.seconds * (self.num_epochs - last.number))

    def nudge(self, *, expires: int | None = None) -> None:
        """Tell a worker that it waits. The reconciler finds it where no broker answers."""
        queue.nudge(queue.TRAIN_RUN, self.pk, to=queue.TRAIN_ON_GPU if self.needs_gpu else None, expires=expires)

    def claim(self, owner: str, *, has_gpu: bool = False) -> bool:
        """Take a queued run for this process; false where another was quicker, it waits no more or waits for a GPU."""
        fitting = Q() if has_gpu else Q(needs_gpu=False)
        won = (
            TrainingRun.objects.queued()
            .filter(fitting, pk=self.pk, cancel_requested=False)
            .update(
                state=self.State.PREPARING,
                lease=F("lease") + 1,
                attempts=F("attempts") + 1,
                owner=owner,
                heartbeat=timezone.now(),
                started_at=Coalesce("started_at", timezone.now()),
                log="",
                error_sentence={},
            )
            == 1
        )
        if won:
            self.refresh_from_db()
        return won

    def begin_at(self, epoch: int) -> None:
        """Forget the epochs of earlier attempts from which nothing is left. Raises: LeaseLost."""
        with transaction.atomic():
            self.write(epochs_done=epoch, resumed_from=epoch)
            self.epochs.filter(number__gt=epoch).delete()

    def write(self, **values: Any) -> None:
        """Change the row of a run that this process holds. Raises: LeaseLost if it holds it no more."""
        values.setdefault("heartbeat", timezone.now())
        rows = TrainingRun.objects.active().filter(pk=self.pk, lease=self.lease).update(**values)
        if rows != 1:
            raise LeaseLost(N_("The run has been ended or taken over by another process."))

    def record_epoch(self, result: EpochResult) -> None:
        """Keep what an epoch came to. Raises: LeaseLost."""
        with transaction.atomic():
            self.write(epochs_done=result.number, state=self.State.TRAINING)
            self.epochs.update_or_create(number=result.number, defaults=vars(result))

    def add_to_log(self, text: str) -> None:
        """Keep the end of the trainer's log, whatever state the run is in."""
        TrainingRun.objects.filter(pk=self.pk, lease=self.lease).update(log=text[-self.LOG_CHARACTERS :])

    def record_checkpoint(self, *, epoch: int, step: int, file: str, sha256: str, num_bytes: int) -> list[str]:
        """Keep a checkpoint whose file is stored, and let go of all but the last two. Raises: LeaseLost.

        Returns: the files in the store that no checkpoint of the run names any more.
        """
        values = {"lease": self.lease, "epoch": epoch, "step": step, "sha256": sha256, "num_bytes": num_bytes}
        with transaction.atomic():
            self.write()
            self.checkpoints.update_or_create(file=file, defaults=values)
            outdated = list(self.checkpoints.all()[Checkpoint.KEPT :])
            self.checkpoints.filter(pk__in=[each.pk for each in outdated]).delete()
        return [each.file for each in outdated]

    def forget_checkpoints(self) -> None:
        """Let go of all checkpoints and their files."""
        files = list(self.checkpoints.values_list("file", flat=True))
        self.checkpoints.all().delete()
        for file in files:
            storage.forget(file)

    def fail(self, error: TrainingError) -> bool:
        """End a held run with a sentence for its page; false where it had ended already."""
        return self._end(self.State.FAILED, error_sentence=error.sentence)

    def end_cancelled(self) -> bool:
        return self._end(self.State.CANCELLED)

    def _end(self, state: State, **values: Any) -> bool:
        rows = TrainingRun.objects.active().filter(pk=self.pk, lease=self.lease)
        return rows.update(state=state, ended_at=timezone.now(), **values) == 1

    def succeed(self, version: ModelVersion) -> None:
        """End a held run with its version, published where that was asked for and nothing speaks against it.

        One transaction does it all, so there is never a version without its run's end or the other way round.

        Raises: LeaseLost.
        """
        with transaction.atomic():
            recognizer = Recognizer.objects.select_for_update().get(pk=self.recognizer_id)
            self.write(state=self.State.SUCCEEDED, ended_at=timezone.now())
            last = recognizer.versions.aggregate(last=models.Max("number"))["last"] or 0
            made = recognizer.runs.filter(state=self.State.SUCCEEDED).count()  # some may have been deleted
            version.number = max(last + 1, made)
            version.pk, version._state.adding = None, True  # also after a try that was rolled back
            version.save()
            if self.publish_when_done and not version.trouble_sentence:
                version.activate(self.started_by)

    def give_back(self) -> bool:
        """Queue a held run again because its worker is going away; the attempt does not count. False where it ended."""
        rows = TrainingRun.objects.active().filter(pk=self.pk, lease=self.lease, cancel_requested=False)
        is_queued = rows.update(state=self.State.QUEUED, owner="", attempts=F("attempts") - 1) == 1
        if is_queued:
            self.nudge()
        return is_queued

    def interrupt(self, error: TrainingError, *, silent_since: datetime | None = None) -> bool:
        """Take a held run from a process that died: it waits again, or has failed after the last attempt.

        Args:
            error: why it died.
            silent_since: leave the run to its process if that has given a sign of life after this heartbeat.
        Returns: false where the run has ended, or another process holds it by now.
        """
        silent = Q() if silent_since is None else Q(heartbeat=silent_since)
        with transaction.atomic():
            held = TrainingRun.objects.select_for_update().active().filter(silent, pk=self.pk, lease=self.lease).first()
            if held is None:
                return False
            if held.cancel_requested:
                return held.end_cancelled()
            if held.attempts >= self.MAX_ATTEMPTS:
                return held.fail(GaveUp(held.attempts, error))
            rows = TrainingRun.objects.filter(pk=self.pk)
            rows.update(state=self.State.QUEUED, owner="", interruption_sentence=error.sentence)
            transaction.on_commit(self.nudge)
        return True

    def go_on(self) -> bool:
        """Queue a failed run again, to go on from what it had learned; false where nothing of it is kept."""
        if not self.can_go_on:
            return False
        failed = TrainingRun.objects.filter(pk=self.pk, state=self.State.FAILED)
        values: dict[str, Any] = {"attempts": 0, "ended_at": None, "error_sentence": {}, "cancel_requested": False}
        return failed.update(state=self.State.QUEUED, interruption_sentence=self.error_sentence, **values) == 1

    def request_cancel(self) -> bool:
        """Ask for its end: at once where it waits, within seconds where it runs; false where it has ended."""
        waiting = TrainingRun.objects.queued().filter(pk=self.pk)
        if waiting.update(state=self.State.CANCELLED, cancel_requested=True, ended_at=timezone.now()):
            return True
        return TrainingRun.objects.active().filter(pk=self.pk).update(cancel_requested=True) == 1


class Epoch(models.Model):
    """What one epoch of a run came to; accuracies are shares of 1."""

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="epochs")
    number = models.PositiveIntegerField()  # from 1
    loss = models.FloatField()
    accuracy = models.FloatField()
    val_loss = models.FloatField()
    val_accuracy = models.FloatField()
    learning_rate = models.FloatField()
    pictures_per_second = models.FloatField()
    seconds = models.FloatField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="one_row_an_epoch")]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.number}"


class Checkpoint(models.Model):
    """What a run had learned at some moment, so that a later attempt goes on from there."""

    KEPT: ClassVar[int] = 2  # a run; the second is for the case that the first is damaged

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="checkpoints")
    lease = models.PositiveIntegerField()  # of the attempt that wrote it
    epoch = models.PositiveIntegerField()  # whole epochs done
    step = models.PositiveIntegerField(default=0)  # batches done of the next one
    file = models.CharField(max_length=255, unique=True)  # name in the store
    sha256 = models.CharField(max_length=64)
    num_bytes = models.PositiveBigIntegerField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.epoch}+{self.step}"

    @property
    def path(self) -> Path:
        return storage.local_path(self.file)

    def check_file(self) -> None:
        """Raises: BrokenArtifact if the file is missing or not the one that was written."""
        check_files([self.path], self.sha256)
