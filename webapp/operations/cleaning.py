"""Everything that the clock cleans up, each rule by itself."""

from __future__ import annotations

from datetime import timedelta

from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from django.utils import timezone

from classifier.old_predictions import remove_old_predictions
from training.runs import retention
from training.runs.retention import Removed, Rules

KEEP_LOGINS_DAYS = 30


def clean_up() -> dict[str, Removed | None]:
    """What each rule has removed, by its name; None where it failed, which stops no other."""
    return retention.follow(RULES)


def remove_expired_sessions() -> Removed:
    return Removed(Session.objects.filter(expire_date__lt=timezone.now()).delete()[0])


def remove_old_logins() -> Removed:
    """Failed ones and others: nobody asks for them after a month."""
    limit = timezone.now() - timedelta(days=KEEP_LOGINS_DAYS)
    return Removed(
        sum(model.objects.filter(attempt_time__lt=limit).delete()[0] for model in (AccessAttempt, AccessLog))
    )


RULES: Rules = {
    **retention.RULES,
    "old answers": lambda: Removed(remove_old_predictions()),
    "expired sessions": remove_expired_sessions,
    "old logins": remove_old_logins,
}
