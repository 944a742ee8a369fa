"""A row that a worker claims, works on in a process of its own, and ends: what training runs and jobs have in common.

Its state moves by conditional updates whose row count says who won; every write of a working process carries the lease
it claimed, so a process that was given up for dead cannot write any more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from training.errors import GaveUp, LeaseLost
from training.messages import N_, UserFacingError, say


class LeasedQuerySet(models.QuerySet[Any]):
    def queued(self) -> Self:
        return self.filter(state=Leased.QUEUED)

    def active(self) -> Self:
        return self.filter(state__in=self.model.ACTIVE)

    def unfinished(self) -> Self:
        """Waiting or active."""
        return self.exclude(state__in=self.model.ENDED)

    def orphaned(self) -> Self:
        """Active, but nobody has said so for a while."""
        return self.active().filter(heartbeat__lt=timezone.now() - Leased.STALE_AFTER)


class Leased(models.Model):
    """Work that is asked for, claimed by a worker, and done, failed or cancelled.

    A subclass has a `state` field with at least the states named here, and says which of its states are ACTIVE, which
    the first of them is, and which ENDED.
    """

    QUEUED: ClassVar = "queued"
    FAILED: ClassVar = "failed"
    CANCELLED: ClassVar = "cancelled"
    ACTIVE: ClassVar[tuple[str, ...]]
    ENDED: ClassVar[tuple[str, ...]]
    STALE_AFTER: ClassVar[timedelta] = timedelta(seconds=60)
    MAX_ATTEMPTS: ClassVar[int] = 3
    LOG_CHARACTERS: ClassVar[int] = 20_000
    SETTLED_BY: ClassVar[list[str]] = ["cancel_requested", "state"]  # read again once its process is gone

    state: Any
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    cancel_requested = models.BooleanField(default=False)

    lease = models.PositiveIntegerField(default=0)  # rises with every claim
    attempts = models.PositiveIntegerField(default=0)
    owner = models.CharField(max_length=255, blank=True)  # name of the worker, or host and process, that claimed it
    heartbeat = models.DateTimeField(null=True)

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    interruption_sentence: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)  # why the one before ended
    log = models.TextField(blank=True)  # its tail
    error_sentence: models.JSONField[dict[str, Any]] = models.JSONField(default=dict)

    class Meta:
        abstract = True

    @property
    def error(self) -> str:
        return say(self.error_sentence)

    @property
    def interruption(self) -> str:
        """Why the attempt before this one was cut off; empty where none was."""
        return say(self.interruption_sentence)

    @property
    def has_ended(self) -> bool:
        return self.state in self.ENDED

    @property
    def work_name(self) -> str:
        """Names the folder that its process works in, for this attempt alone."""
        raise NotImplementedError

    @property
    def command_line(self) -> tuple[str, ...]:
        """What its process is told after `python -m training`."""
        raise NotImplementedError

    @property
    def batch_size(self) -> int:
        """Pictures at a time, for the sentence that is said where memory ran out; 0 where that says nothing."""
        return 0

    def nudge(self, *, expires: int | None = None) -> None:
        """Tell a worker that it waits. An idle one finds it where no broker answers."""
        raise NotImplementedError

    def claim(self, owner: str, *, has_gpu: bool = False) -> bool:
        """Take a queued row for this process; false where another was quicker, it waits no more or waits for a GPU."""
        waiting = self._rows().filter(pk=self.pk, state=self.QUEUED, cancel_requested=False)
        rows: int = waiting.filter(self._claimable(has_gpu=has_gpu)).update(
            state=self.ACTIVE[0],
            lease=F("lease") + 1,
            attempts=F("attempts") + 1,
            owner=owner,
            heartbeat=timezone.now(),
            started_at=Coalesce("started_at", timezone.now()),
            log="",
            error_sentence={},
        )
        if rows:
            self.refresh_from_db()
        return rows == 1

    def _claimable(self, *, has_gpu: bool) -> Q:
        return Q()

    def write(self, **values: Any) -> None:
        """Change the row while this process holds it. Raises: LeaseLost if it holds it no more."""
        values.setdefault("heartbeat", timezone.now())
        if self._held().update(**values) != 1:
            raise LeaseLost(N_("The run has been ended or taken over by another process."))

    def add_to_log(self, text: str) -> None:
        """Keep the end of its process's log, whatever state it is in."""
        self._rows().filter(pk=self.pk, lease=self.lease).update(log=text[-self.LOG_CHARACTERS :])

    def fail(self, error: UserFacingError) -> bool:
        """End it while held, with a sentence for its page; false where it had ended already."""
        return self._end(self.FAILED, error_sentence=error.sentence)

    def end_cancelled(self) -> bool:
        return self._end(self.CANCELLED)

    def _end(self, state: str, **values: Any) -> bool:
        rows: int = self._held().update(state=state, ended_at=timezone.now(), **values)
        return rows == 1

    def requeue(self) -> bool:
        """Queue it again because its worker is going away; the attempt does not count. False where it ended."""
        held = self._held().filter(cancel_requested=False)
        rows: int = held.update(state=self.QUEUED, owner="", attempts=F("attempts") - 1)
        if rows:
            self.nudge()
        return rows == 1

    def interrupt(self, error: UserFacingError, *, silent_since: datetime | None = None) -> bool:
        """Take it from a process that died: it waits again, or has failed after the last attempt.

        Args:
            error: why it died.
            silent_since: leave it to its process if that has given a sign of life after this heartbeat.
        Returns: false where it has ended, or another process holds it by now.
        """
        silent = Q() if silent_since is None else Q(heartbeat=silent_since)
        with transaction.atomic():
            held = self._held().select_for_update().filter(silent).first()
            if held is None:
                return False
            if held.cancel_requested:
                return bool(held.end_cancelled())
            if held.attempts >= self.MAX_ATTEMPTS:
                return bool(held.fail(GaveUp(held.attempts, error)))
            rows = self._rows().filter(pk=self.pk)
            rows.update(state=self.QUEUED, owner="", interruption_sentence=error.sentence)
            transaction.on_commit(self.nudge)
        return True

    def request_cancel(self) -> bool:
        """Ask for its end: at once where it waits, within seconds where it works; false where it has ended."""
        waiting = self._rows().filter(pk=self.pk, state=self.QUEUED)
        if waiting.update(state=self.CANCELLED, cancel_requested=True, ended_at=timezone.now()):
            return True
        working: int = self._rows().filter(pk=self.pk, state__in=self.ACTIVE).update(cancel_requested=True)
        return working == 1

    def _rows(self) -> Any:
        return type(self)._default_manager.all()

    def _held(self) -> Any:
        """The row, as long as this process holds it."""
        return self._rows().filter(pk=self.pk, lease=self.lease, state__in=self.ACTIVE)
