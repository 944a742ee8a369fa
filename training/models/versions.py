"""Trained versions, and which of them answered when."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from training import storage
from training.artifacts.version_files import CURRENT_LAYOUT, LAYOUTS, VersionFiles
from training.errors import BrokenArtifact, NotComparable, NotPublishable, StillInUse
from training.evaluation.calibration import Calibrator
from training.evaluation.comparison import Comparison, Side, compare
from training.evaluation.metrics import Evaluation
from training.messages import N_, Sentence, say
from training.models.recognizers import Recognizer


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def troubled(self) -> Self:
        """Those that could not be published when that was tried last."""
        return self.exclude(trouble_sentence={})

    def active(self) -> ModelVersion | None:
        """The one of a recognizer that answers visitors; asked with every picture, so without its long evaluation."""
        return self.filter(is_active=True).defer("evaluation").first()


class ModelVersion(models.Model):
    """A trained H5 with its serving model and the figures it earned."""

    recognizer = models.ForeignKey("training.Recognizer", models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    run = models.OneToOneField("training.TrainingRun", models.RESTRICT, related_name="version")
    is_active = models.BooleanField(default=False)
    folder = models.CharField(max_length=255, unique=True)  # in the store
    h5_sha256 = models.CharField(max_length=64)
    h5_bytes = models.PositiveBigIntegerField()
    serving_model_sha256 = models.CharField(max_length=64)
    serving_model_difference = models.FloatField()  # largest difference of a probability to the H5
    class_names: models.JSONField[list[str]] = models.JSONField()  # label keys in the network's order
    image_size = models.PositiveIntegerField()
    num_weights = models.PositiveBigIntegerField()
    test_accuracy = models.FloatField(null=True)  # none where there were no pictures to test it on
    temperature = models.FloatField(default=1.0)  # divides the logits; 1 leaves the probabilities as they are
    evaluation: models.JSONField[dict[str, Any]] = models.JSONField()
    predictions_sha256 = models.CharField(max_length=64, blank=True)  # empty in versions that keep none
    layout = models.PositiveSmallIntegerField(default=CURRENT_LAYOUT)  # what its files are called, of LAYOUTS
    trouble_sentence: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)  # why it was not published
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["recognizer", "number"], name="one_version_a_number"),
            models.UniqueConstraint(
                fields=["recognizer"], condition=Q(is_active=True), name="one_active_version_a_recognizer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recognizer.slug} version {self.number}"

    @property
    def files(self) -> VersionFiles:
        return VersionFiles(
            self.folder,
            LAYOUTS[self.layout],
            h5_sha256=self.h5_sha256,
            serving_model_sha256=self.serving_model_sha256,
            predictions_sha256=self.predictions_sha256,
            locate=storage.local_path,
        )

    @property
    def calibrator(self) -> Calibrator:
        """What makes answers of its network's probabilities."""
        sets = self.evaluation.get("prediction_sets")  # asked with every picture, so the rest is not read
        return Calibrator(self.temperature, sets["limit"] if sets else None)

    @property
    def figures(self) -> Evaluation:
        """What it earned on its test pictures, whichever release wrote it down."""
        return Evaluation.from_dict(self.evaluation)

    def against(self, other: ModelVersion) -> Comparison:
        """How it does beside another version of its recognizer, on pictures that neither learned from.

        Raises: NotComparable, BrokenArtifact.
        """
        return compare(other._side(), self._side())

    @property
    def is_measured(self) -> bool:
        """Whether it has been tried on pictures here; without any, it has no figures."""
        return self.test_accuracy is not None

    def is_better_than(self, other: ModelVersion | None) -> bool:
        """By its accuracy on test pictures; what has been measured counts for more than what has not."""
        if other is None or other.test_accuracy is None:
            return other is None or self.is_measured
        return self.test_accuracy is not None and self.test_accuracy > other.test_accuracy

    def _side(self) -> Side:
        if not self.is_measured:
            raise NotComparable(
                N_(
                    "Version %(number)d has not been measured here: there were no pictures. So it cannot be compared "
                    "with another on the same ones."
                ),
                number=self.number,
            )
        if not self.predictions_sha256:
            raise NotComparable(
                N_("Version %(number)d is of an earlier release and keeps no answers. Train again with its settings."),
                number=self.number,
            )
        return Side(self.files.predictions(), self.class_names, self.temperature)

    @property
    def trouble(self) -> str:
        """Why it could not be published, when that was tried last; empty when there is nothing to say."""
        return say(self.trouble_sentence)

    def keep_trouble(self, sentence: Sentence) -> None:
        """Remember why it could not be published; the version in use has not been touched."""
        ModelVersion.objects.filter(pk=self.pk, is_active=False).update(trouble_sentence=sentence)

    def publish(
        self, by: User | None, reason: str = "", *, is_roll_back: bool = False, in_use: int | None = None
    ) -> None:
        """Make it the version that answers, once it is verified. Any failure leaves the version in use as it is.

        Args:
            in_use: number of the version that answers as far as the person knows, 0 for none; None to put it in place
                of any.
        Raises: BrokenArtifact, which the row keeps as its trouble; NotPublishable if it is active already, or another
            than `in_use` is.
        """
        if ModelVersion.objects.filter(pk=self.pk, is_active=True).exists():
            raise self._in_use_already()
        try:
            self.files.verify()
        except BrokenArtifact as error:
            self.keep_trouble(error.sentence)
            raise
        with transaction.atomic():
            kind = Activation.Kind.ROLL_BACK if is_roll_back else Activation.Kind.PUBLISH
            self.activate(by, reason, kind, in_use=in_use)
        self.is_active, self.trouble_sentence = True, {}

    def activate(
        self,
        by: User | None,
        reason: str = "",
        kind: Activation.Kind | None = None,
        *,
        in_use: int | None = None,
    ) -> None:
        """Let it answer from the end of the caller's transaction on; the caller has verified it.

        Raises: NotPublishable if it is active already, or gone, or another than `in_use` is active.
        """
        recognizer = Recognizer.objects.select_for_update().filter(pk=self.recognizer_id).first()
        if recognizer is None or not recognizer.versions.filter(pk=self.pk).exists():
            raise NotPublishable(N_("Version %(number)d was deleted meanwhile."), number=self.number)
        previous = recognizer.versions.active()
        if previous == self:
            raise self._in_use_already()
        if in_use is not None and previous and previous.number != in_use:
            raise NotPublishable(
                N_(
                    "Version %(number)d has come into use meanwhile, so nothing was changed. Look whether you still "
                    "want to."
                ),
                number=previous.number,
            )
        recognizer.versions.update(is_active=False, trouble_sentence={})  # what went wrong before this is over
        recognizer.versions.filter(pk=self.pk).update(is_active=True)
        kind = kind or Activation.Kind.PUBLISH
        self.activations.create(recognizer=recognizer, previous=previous, kind=kind, by=by, reason=reason)

    def _in_use_already(self) -> NotPublishable:
        return NotPublishable(N_("Version %(number)d is in use already."), number=self.number)

    def check_removable(self) -> None:
        """Raises: StillInUse while it is the version that answers."""
        if ModelVersion.objects.filter(pk=self.pk, is_active=True).exists():
            raise StillInUse(
                N_("Version %(number)d is in use. Publish or roll back to another first."), number=self.number
            )

    def remove(self) -> None:
        """Delete it and what it answered, then its files; its run stays. Raises: StillInUse."""
        with transaction.atomic():
            Recognizer.objects.select_for_update().filter(pk=self.recognizer_id).first()  # publishing waits, or we do
            self.check_removable()
            jobs = [job.folder for job in self.jobs.only("pk")]
            storage.forget_on_commit([self.folder, *jobs], [])
            self.delete()


class Activation(models.Model):
    """Who published or rolled back to which version, when and why."""

    class Kind(models.TextChoices):
        PUBLISH = "publish", _("published")
        ROLL_BACK = "roll_back", _("rolled back")

    recognizer = models.ForeignKey("training.Recognizer", models.CASCADE, related_name="activations")
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="activations")
    previous = models.ForeignKey(ModelVersion, models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["publish", "roll_back"]), name="activation_kind_is_known")
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.kind}"

    @property
    def is_roll_back(self) -> bool:
        return self.kind == self.Kind.ROLL_BACK


def versions_before(recognizer: Recognizer) -> list[ModelVersion]:
    """Those in use before the active one, the latest first: where a roll back leads.

    A roll back takes its step out of the history, so that a second one leads further back.
    """
    history: list[ModelVersion] = []
    for activation in recognizer.activations.select_related("version").order_by("at", "pk"):
        if activation.is_roll_back:
            while history and history[-1] != activation.version:
                history.pop()
        if not history or history[-1] != activation.version:
            history.append(activation.version)
    return history[-2::-1]


def version_before(recognizer: Recognizer) -> ModelVersion | None:
    """The version that a roll back leads to: the one in use before the active one was published."""
    return next(iter(versions_before(recognizer)), None)


def roll_back(recognizer: Recognizer, by: User | None, reason: str, *, in_use: int | None = None) -> ModelVersion:
    """Make the version before the active one active again. Raises: NotPublishable, BrokenArtifact.

    Args:
        in_use: number of the active one as far as the person knows; a second roll back would lead further back.
    """
    version = version_before(recognizer)
    if version is None:
        raise NotPublishable(N_("There is no earlier version to roll back to."))
    version.publish(by, reason, is_roll_back=True, in_use=in_use)
    return version
