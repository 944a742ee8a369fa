"""The rows of classifying: what was answered, and which version would not open."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from training.errors import say


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


class FailedOpening(models.Model):
    """A published version that a web process could not open; the row goes when it can."""

    version = models.ForeignKey("training.ModelVersion", models.CASCADE, related_name="failed_openings")
    host = models.CharField(max_length=255)
    sentence: models.JSONField[dict[str, Any]] = models.JSONField()
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["version", "host"], name="one_failed_opening_a_host")]

    def __str__(self) -> str:
        return f"{self.version_id} on {self.host}"

    @property
    def reason(self) -> str:
        return say(self.sentence)
