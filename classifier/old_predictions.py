"""What answering may throw away: answers that are older than the owner wants them kept."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from classifier.models import Prediction

BATCH = 5_000  # rows a transaction, so that answering never waits for long


def remove_old_predictions() -> int:
    """Delete the answers older than KEEP_PREDICTIONS_DAYS, none where it is 0; returns how many."""
    if not settings.KEEP_PREDICTIONS_DAYS:
        return 0
    limit = timezone.now() - timedelta(days=settings.KEEP_PREDICTIONS_DAYS)
    outdated = Prediction.objects.filter(at__lt=limit).order_by("pk").values_list("pk", flat=True)
    removed = 0
    while some := list(outdated[:BATCH]):
        removed += Prediction.objects.filter(pk__in=some).delete()[0]
    return removed
