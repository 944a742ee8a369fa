"""The rows of classifying: what was answered, and which version would not open."""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Any, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from training.messages import Sentence, say
from training.models import ModelVersion


class Prediction(models.Model):
    """One answer to one picture. The picture itself is not kept."""

    class Source(models.TextChoices):
        PAGE = "page", _("page")
        API = "api", _("API")

    version = models.ForeignKey("training.ModelVersion", models.CASCADE, related_name="predictions")
    label = models.CharField(max_length=100)  # key of the most probable class
    probability = models.FloatField()
    scores: models.JSONField[list[dict[str, Any]]] = models.JSONField()  # the best five, highest first
    source = models.CharField(max_length=10, choices=Source)
    milliseconds = models.FloatField()  # from bytes to scores
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(probability__gte=0, probability__lte=1), name="probability_is_a_share"
            )
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.probability:.2f}"


class FailedOpeningQuerySet(models.QuerySet["FailedOpening"]):
    def standing(self) -> Self:
        """Those of versions in use, since they were published last; a host that has not tried for a day is gone."""
        rows = self.filter(version__is_active=True, at__gt=timezone.now() - timedelta(days=1))
        return rows.alias(published_at=models.Max("version__activations__at")).filter(at__gt=models.F("published_at"))

    def of(self, version: ModelVersion) -> Self:
        """That of a version on this host."""
        return self.filter(version=version, host=socket.gethostname())


class FailedOpening(models.Model):
    """A published version that a web process could not open; the row goes when it can."""

    version = models.ForeignKey("training.ModelVersion", models.CASCADE, related_name="failed_openings")
    host = models.CharField(max_length=255)
    sentence: models.JSONField[dict[str, Any]] = models.JSONField()
    at = models.DateTimeField(auto_now=True)

    objects = FailedOpeningQuerySet.as_manager()

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["version", "host"], name="one_failed_opening_a_host")]

    def __str__(self) -> str:
        return f"{self.version_id} on {self.host}"

    @property
    def reason(self) -> str:
        return say(self.sentence)

    @classmethod
    def note(cls, version: ModelVersion, sentence: Sentence) -> None:
        cls.objects.update_or_create(version=version, host=socket.gethostname(), defaults={"sentence": sentence})

    @classmethod
    def forget(cls, version: ModelVersion) -> None:
        noted = cls.objects.of(version)
        if noted.exists():  # asked first: to delete nothing would wait for a writer, too
            noted.delete()
