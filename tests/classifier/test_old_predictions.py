"""Answers are kept as long as the owner says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from classifier import old_predictions
from classifier.models import Prediction
from training.models import ModelVersion


@pytest.fixture
def _answers(version: ModelVersion) -> None:
    """One of today, one of 29, one of 31 and one of 400 days ago."""
    for days in (0, 29, 31, 400):
        row = version.predictions.create(label="circle", probability=1, scores=[], source="page", milliseconds=1)
        Prediction.objects.filter(pk=row.pk).update(at=timezone.now() - timedelta(days=days))


@pytest.mark.usefixtures("_answers")
def test_answers_are_kept_for_ever_by_default() -> None:
    assert old_predictions.remove_old_predictions() == 0
    assert Prediction.objects.count() == 4


@pytest.mark.usefixtures("_answers")
def test_answers_older_than_the_owner_wants_are_removed(settings: Any) -> None:
    settings.KEEP_PREDICTIONS_DAYS = 30

    assert old_predictions.remove_old_predictions() == 2
    assert Prediction.objects.filter(at__gt=timezone.now() - timedelta(days=30)).count() == 2


@pytest.mark.usefixtures("_answers")
def test_many_answers_are_removed_in_batches(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KEEP_PREDICTIONS_DAYS = 1
    monkeypatch.setattr(old_predictions, "BATCH", 2)

    assert old_predictions.remove_old_predictions() == 3
    assert Prediction.objects.count() == 1
