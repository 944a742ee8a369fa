"""The clock's cleaning as a whole: every rule, by Celery and by hand."""

from __future__ import annotations

import threading
from datetime import timedelta
from io import StringIO

import pytest
from axes.models import AccessAttempt, AccessLog
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from training import storage
from training.models import Recognizer
from training.runs.retention import Removed
from webapp import tasks
from webapp.celery import app
from webapp.operations import cleaning

pytestmark = pytest.mark.django_db


def test_only_expired_sessions_go() -> None:
    for key, days in (("expired", -1), ("open", 1)):
        Session.objects.create(session_key=key, expire_date=timezone.now() + timedelta(days=days))

    assert cleaning.remove_expired_sessions() == Removed(1)
    assert Session.objects.get().session_key == "open"


def test_logins_are_forgotten_after_a_month() -> None:
    for days in (29, 31):
        attempt = AccessAttempt.objects.create(username=f"{days} days ago", failures_since_start=1)
        login = AccessLog.objects.create(username=f"{days} days ago")
        for row in (attempt, login):
            type(row).objects.filter(pk=row.pk).update(attempt_time=timezone.now() - timedelta(days=days))

    assert cleaning.remove_old_logins() == Removed(2)
    assert AccessAttempt.objects.get().username == AccessLog.objects.get().username == "29 days ago"


def test_the_clock_cleans_up_every_hour_by_the_task_there_is() -> None:
    (entry,) = [each for each in django_settings.CELERY_BEAT_SCHEDULE.values() if each["task"] == tasks.clean_up.name]

    assert entry["schedule"].remaining_estimate(timezone.now()) <= timedelta(hours=1)
    assert entry["options"]["expires"] == 3600
    app.loader.import_default_modules()
    assert entry["task"] in app.tasks


def test_by_hand_every_rule_says_what_it_has_removed(recognizer: Recognizer) -> None:
    run = recognizer.runs.create(config={}, state="cancelled", ended_at=timezone.now())
    storage.keep_bytes(b"x" * 2048, f"{run.folder}/1-1-0.npz")
    output = StringIO()

    call_command("clean_up", stdout=output)

    lines = dict(line.split(": ") for line in output.getvalue().splitlines())
    assert lines.keys() == cleaning.RULES.keys()
    assert lines["checkpoints"] == "1 removed, 2.0\xa0KB"
    assert lines["old answers"] == "0 removed"


def test_by_hand_a_rule_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Removed:
        raise OSError

    monkeypatch.setitem(cleaning.RULES, "old logins", fail)

    with pytest.raises(CommandError, match="old logins"):
        call_command("clean_up", stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_two_cleanings_at_once_do_no_harm(recognizer: Recognizer) -> None:
    for _ in range(20):
        run = recognizer.runs.create(config={}, state="cancelled", ended_at=timezone.now())
        storage.keep_bytes(b"state", f"{run.folder}/1-1-0.npz")
        run.checkpoints.create(lease=1, epoch=1, file=f"{run.folder}/1-1-0.npz", sha256="", num_bytes=5)
    done: list[dict[str, Removed | None]] = []

    def clean() -> None:
        done.append(cleaning.clean_up())
        connection.close()

    both = [threading.Thread(target=clean) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()

    assert len(done) == 2
    assert None not in [removed for one in done for removed in one.values()]
    assert list(storage.files_below("checkpoints")) == []
