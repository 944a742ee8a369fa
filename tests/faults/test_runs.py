"""Runs under random faults: each ends exactly once."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tests.faults import faults
from tests.faults.campaign import record, rounds
from tests.faults.conftest import deliver
from tests.site import Site
from training.models import ModelVersion, TrainingRun
from training.outages import outlasting

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("_real_processes")]

SILENT = timedelta(seconds=90)
SEED = int(os.environ.get("FAULTS_SEED", "1"))


@dataclass
class Watch:
    """What was seen of the runs while they ran."""

    ended: dict[int, tuple[str, object, int]] = field(default_factory=dict)  # by run: state, when, lease
    ended_twice: set[int] = field(default_factory=set)
    silent: set[int] = field(default_factory=set)

    def look(self) -> int:
        """Returns: how many have ended."""
        for run in outlasting(lambda: list(TrainingRun.objects.defer("log")), seconds=120):
            end = (run.state, run.ended_at, run.lease)
            if self.ended.setdefault(run.pk, end) != end if run.has_ended else run.pk in self.ended:
                self.ended_twice.add(run.pk)
            if run.state in TrainingRun.ACTIVE and timezone.now() - run.heartbeat > SILENT:
                self.silent.add(run.pk)
        return len(self.ended)


def test_every_run_ends_exactly_once_whatever_happens(site: Site, start_run: Callable[..., TrainingRun]) -> None:
    rng = random.Random(SEED)
    number, pauses = rounds(4, 100 if connection.vendor == "sqlite" else 50), rounds(6, 12)
    chosen = list(faults.FAULTS) if rounds(0, 1) else ["kill -9 of a worker", "kill -9 of the trainers", "Redis killed"]
    runs = [start_run(publish_when_done=index % 3 == 0) for index in range(number)]
    for run in runs:
        deliver(run, site, times=3)

    watch, made, began = Watch(), Counter[str](), time.monotonic()
    while watch.look() < number and time.monotonic() - began < 90 * number:
        if time.monotonic() - began < 60 * number:  # then they may end in peace
            name = rng.choice(chosen)
            made[name] += 1
            faults.FAULTS[name](site)
        until = time.monotonic() + rng.uniform(0, 2 * pauses)
        while time.monotonic() < until and watch.look() < number:
            time.sleep(1)
    time.sleep(rounds(2, 70))  # whoever wanted to do something to an ended run would have by now
    watch.look()

    states = Counter(state for state, _, _ in watch.ended.values())
    versions = ModelVersion.objects.count()
    minutes = (time.monotonic() - began) / 60
    record(
        f"{number} short runs under random faults end exactly once ({connection.vendor})",
        f"{len(watch.ended)} ended ({dict(states)}) in {minutes:.0f} minutes under {sum(made.values())} faults; "
        f"{len(watch.ended_twice)} twice; {versions - states['succeeded']} versions too many; "
        f"{len(watch.silent)} rows silent for more than 90 s; faults: {dict(made.most_common())}",
    )
    assert (len(watch.ended), watch.ended_twice, watch.silent) == (number, set(), set())
    assert versions == states["succeeded"]
    for version in ModelVersion.objects.all():
        version.files.verify()
    assert {run.error.partition(";")[0] for run in TrainingRun.objects.filter(state="failed")} <= {
        "Stopped 3 times in a row"
    }
