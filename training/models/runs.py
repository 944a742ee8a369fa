"""Training runs, their epochs and their checkpoints."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from training import queue, storage
from training.artifacts.files import check_files
from training.config import TrainingConfig
from training.config.schedules import phases
from training.messages import say
from training.models.leases import Leased, LeasedQuerySet
from training.models.recognizers import Recognizer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from training.evaluation.epochs import EpochResult
    from training.models.versions import ModelVersion


class TrainingRunQuerySet(LeasedQuerySet):
    """Those of all leased rows."""


class TrainingRun(Leased):
    """One training of one network: asked for, claimed by a worker, done, failed or cancelled."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        PREPARING = "preparing", _("preparing")
        TRAINING = "training", _("training")
        EVALUATING = "evaluating", _("evaluating")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")
        PRUNED = "pruned", _("ended early")  # by its search: others did better at the same epoch

    ACTIVE = (State.PREPARING, State.TRAINING, State.EVALUATING)
    ENDED = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.PRUNED)
    SETTLED_BY: ClassVar[list[str]] = [*Leased.SETTLED_BY, "config", "epochs_done"]

    recognizer = models.ForeignKey("training.Recognizer", models.CASCADE, related_name="runs")
    config: models.JSONField[dict[str, Any]] = models.JSONField()
    preset = models.CharField(max_length=10, blank=True)  # name in training.config.presets that the config began from
    is_network_open = models.BooleanField(default=False)  # network and settings are chosen before training begins
    choice_sentence: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)  # why that network was chosen
    # What network selection has looked at so far: `Candidate.to_dict` of training.results, in the order they are tried
    candidates: models.JSONField[list[dict[str, Any]]] = models.JSONField(default=list)
    # Some pictures it does not learn from, with its answers (training.results.watched_picture)
    watched: models.JSONField[list[dict[str, Any]]] = models.JSONField(default=list)
    # Of ImageNet, where the version is to know these without learning: numbers of its classes for each label key
    imagenet_classes: models.JSONField[dict[str, list[int]]] = models.JSONField(default=dict)
    publish_when_done = models.BooleanField(default=False)
    needs_gpu = models.BooleanField(default=False)  # waits for a worker that has one
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)

    search = models.ForeignKey("training.Search", models.CASCADE, null=True, related_name="runs")
    trial_number = models.PositiveIntegerField(null=True)  # in its search, from 0 as Optuna counts
    value = models.FloatField(null=True)  # what its search compares: the best validation accuracy

    epochs_done = models.PositiveIntegerField(default=0)
    resumed_from = models.PositiveIntegerField(default=0)  # epochs that the latest attempt found done
    num_train = models.PositiveIntegerField(default=0)
    num_validation = models.PositiveIntegerField(default=0)
    num_test = models.PositiveIntegerField(default=0)
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    device = models.CharField(max_length=200, blank=True)
    device_reason: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)  # why not a GPU
    environment: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)  # versions, device, git revision

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
                        "pruned",
                    ]
                ),
                name="run_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["succeeded", "failed", "cancelled", "pruned"], ended_at__isnull=False)
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
            models.UniqueConstraint(fields=["search", "trial_number"], name="one_run_a_trial"),
        ]

    def __str__(self) -> str:
        return f"{self.recognizer.slug} run {self.pk}"

    @property
    def training_config(self) -> TrainingConfig:
        return TrainingConfig.from_dict(self.config)

    @property
    def can_go_on(self) -> bool:
        """It failed, but what it had learned is kept. A search tries something else instead."""
        return self.state == self.State.FAILED and self.search_id is None and self.checkpoints.exists()

    @property
    def trial(self) -> int | None:
        """Its number in its search as people count, from 1; none before its settings are drawn."""
        return None if self.trial_number is None else self.trial_number + 1

    @property
    def is_trial(self) -> bool:
        """It belongs to a search: it comes to a figure and to no version."""
        return self.search_id is not None

    @property
    def device_explanation(self) -> str:
        return say(self.device_reason)

    @property
    def choice(self) -> str:
        """Why this network was picked; empty where a person chose it."""
        return say(self.choice_sentence)

    @property
    def work_name(self) -> str:
        return f"runs/{self.pk}-{self.lease}"

    @property
    def command_line(self) -> tuple[str, ...]:
        return "run", str(self.pk), str(self.lease)

    @property
    def batch_size(self) -> int:
        return self.training_config.batch_size

    @property
    def folder(self) -> str:
        """Where its manifest and its checkpoints lie in the store."""
        return f"checkpoints/{self.pk}"

    @property
    def manifest_file(self) -> str:
        """Name in the store of what says which pictures it learns from."""
        return f"{self.folder}/manifest.json"

    @property
    def made(self) -> ModelVersion | None:
        """The version it came to; None where it has not, or did not, come to one."""
        return getattr(self, "version", None)

    @property
    def num_epochs(self) -> int:
        """0 where its network is to know some of ImageNet's classes: that takes no learning."""
        return 0 if self.imagenet_classes else int(self.config["epochs"])

    def expected_end(self) -> datetime | None:
        """When the last epoch should be done, going by the latest one; None while there is nothing to go by.

        Epochs of the head alone say nothing about the longer ones of the fine-tuning.
        """
        last = self.epochs.order_by("-number").first()
        config = self.training_config
        is_training = self.state in (self.State.TRAINING, self.State.EVALUATING)
        if last is None or not is_training or last.number <= self.resumed_from:
            return None
        head = phases(config)[0]
        if head.head_only and last.number <= head.last < config.epochs:
            return None
        return last.at + timedelta(seconds=last.seconds * (self.num_epochs - last.number))

    def nudge(self, *, expires: int | None = None) -> None:
        """Tell a worker that it waits. An idle one finds it where no broker answers."""
        queue.nudge(queue.TRAIN_RUN, self.pk, to=queue.TRAIN_ON_GPU if self.needs_gpu else None, expires=expires)

    def _claimable(self, *, has_gpu: bool) -> Q:
        return Q() if has_gpu else Q(needs_gpu=False)

    def begin_at(self, epoch: int) -> None:
        """Forget the epochs of earlier attempts from which nothing is left. Raises: LeaseLost."""
        with transaction.atomic():
            self.write(epochs_done=epoch, resumed_from=epoch)
            self.epochs.filter(number__gt=epoch).delete()

    def record_epoch(self, result: EpochResult) -> None:
        """Keep what an epoch came to. Raises: LeaseLost."""
        with transaction.atomic():
            self.write(epochs_done=result.number, state=self.State.TRAINING)
            self.epochs.update_or_create(number=result.number, defaults=vars(result))

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

    def succeed(self, version: ModelVersion) -> None:
        """End a held run with its version, published where that was asked for and nothing speaks against it.

        One transaction does it all, so there is never a version without its run's end or the other way round.

        Raises: LeaseLost.
        """
        with transaction.atomic():
            recognizer = Recognizer.objects.select_for_update().get(pk=self.recognizer_id)
            self.write(state=self.State.SUCCEEDED, ended_at=timezone.now())
            last = recognizer.versions.aggregate(last=models.Max("number"))["last"] or 0
            made = recognizer.runs.filter(state=self.State.SUCCEEDED, search=None).count()  # some may have been deleted
            version.number = max(last + 1, made)
            version.pk, version._state.adding = None, True  # also after a try that was rolled back
            version.save()
            if self.publish_when_done and not version.trouble_sentence:
                version.activate(self.started_by)

    def end_trial(self, state: State, value: float | None) -> None:
        """End a held run of a search, which comes to a figure and to no version. Raises: LeaseLost."""
        self.write(state=state, value=value, ended_at=timezone.now())

    def again(self, by: User | None) -> TrainingRun:
        """Ask for the same once more: the same settings and seed, on the pictures there are now; nothing is published.

        Raises: WrongConfig if this release knows a setting no more.
        """
        config = self.training_config.to_dict()
        return TrainingRun.objects.create(
            recognizer=self.recognizer,
            config=self.config if self.imagenet_classes else config,
            imagenet_classes=self.imagenet_classes,
            preset=self.preset,
            is_network_open=self.is_network_open,
            choice_sentence=self.choice_sentence,
            needs_gpu=self.needs_gpu,
            started_by=by,
        )

    def go_on(self) -> bool:
        """Queue a failed run again, to go on from what it had learned; false where nothing of it is kept."""
        if not self.can_go_on:
            return False
        failed = TrainingRun.objects.filter(pk=self.pk, state=self.State.FAILED)
        values: dict[str, Any] = {"attempts": 0, "ended_at": None, "error_sentence": {}, "cancel_requested": False}
        return failed.update(state=self.State.QUEUED, interruption_sentence=self.error_sentence, **values) == 1


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
