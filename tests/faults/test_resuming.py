"""A trainer that is killed at any moment: another goes on where it was, and ends with the same weights."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from django.conf import settings

from tests.faults.campaign import record, rounds
from tests.faults.conftest import LONGER
from training.config import TrainingConfig
from training.models import TrainingRun
from training.runs import supervisor

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("_real_processes")]

# Half a hundred megabytes a checkpoint: one in two kills that wait for a half-written file finds one.
HEAVY = TrainingConfig.for_network("mlp", {"image_size": 24, "epochs": 6, "batch_size": 8, "hidden_units": (1600,)})


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.01)


class Killer:
    """Kills the trainer once, when something is the case."""

    def __init__(self, is_time: Callable[[TrainingRun], bool]) -> None:
        self.is_time = is_time
        self.epochs_seen: int | None = None

    def __call__(self, run: TrainingRun) -> None:
        if self.epochs_seen is None and run.state in TrainingRun.ACTIVE and self.is_time(run):
            for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
                if b"training" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)
            self.epochs_seen = TrainingRun.objects.get(pk=run.pk).epochs_done


def after(seconds: float) -> Callable[[TrainingRun], bool]:
    """So long after the second epoch."""
    first: list[float] = []

    def is_time(run: TrainingRun) -> bool:
        if run.epochs_done >= 2 and not first:
            first.append(time.monotonic())
        return bool(first) and time.monotonic() - first[0] >= seconds

    return is_time


def in_a_write(rng: random.Random) -> Callable[[TrainingRun], bool]:
    """While a checkpoint is being written, from some epoch on."""
    epoch = rng.randrange(2, 6)

    def is_time(run: TrainingRun) -> bool:
        if run.epochs_done < epoch:
            return False
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if any(_unfinished(run)):
                time.sleep(rng.uniform(0, 0.05))
                return True
        return True

    return is_time


def _unfinished(run: TrainingRun) -> Iterator[Path]:
    folder = Path(settings.DATA_DIR) / "runs" / f"{run.pk}-{run.lease}"
    return (path for path in folder.iterdir() if path.name != "output.txt")


def train_and_kill(run: TrainingRun, killer: Killer) -> TrainingRun:
    """Attempt after attempt, as a worker makes them."""
    while not run.has_ended:
        assert supervisor.carry_out(run, killer)
        run.refresh_from_db()
    return run


def test_a_killed_run_goes_on_and_repeats_at_most_one_epoch(start_run: Callable[..., TrainingRun]) -> None:
    rng = random.Random(1)
    number, resumed, repeated = rounds(2, 20), 0, []
    for index in range(number):
        moment = in_a_write(rng) if index % 2 else after(rng.uniform(0, 1.5))
        killer = Killer(moment)

        run = train_and_kill(start_run(HEAVY), killer)

        assert (run.state, run.epochs_done) == (TrainingRun.State.SUCCEEDED, HEAVY.epochs), run.error
        assert killer.epochs_seen is not None
        resumed += run.resumed_from > 0
        repeated.append(killer.epochs_seen - run.resumed_from)
    record(
        "a trainer killed at a random point, every other time in a checkpoint's write, resumes",
        f"{resumed} of {number}; epochs to repeat: {sorted(repeated)}",
    )
    assert resumed == number
    assert max(repeated) <= 1


def weights(run: TrainingRun) -> list[np.ndarray]:
    found = []
    with h5py.File(run.version.files.h5) as file:
        file["model_weights"].visititems(
            lambda name, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None
        )
    return found


def test_a_run_that_was_killed_ends_with_the_weights_of_an_unbroken_one(start_run: Callable[..., TrainingRun]) -> None:
    unbroken = start_run(LONGER)
    supervisor.carry_out(unbroken)
    unbroken.refresh_from_db()

    broken = train_and_kill(start_run(LONGER), Killer(lambda run: run.epochs_done >= 3))

    assert broken.attempts == 2
    largest = max(np.abs(one - other).max() for one, other in zip(weights(broken), weights(unbroken), strict=True))
    record("largest difference of a weight between an interrupted run and an unbroken one", f"{largest:.1g}")
    assert largest <= 1e-6
    assert LONGER.epochs == broken.epochs.count()
