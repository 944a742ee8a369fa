"""The trainer's process, seen from the worker that starts it: begin, watch, end, and say why it ended.

Training has a process of its own: TensorFlow hangs after a fork and keeps GPU memory until its process ends, and when
memory runs out nothing else must be hit.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from django.db import connection

from training import storage
from training.models import TrainingRun
from training.outages import AWAY, outlasting
from training.reasons import death, explain

POLL_SECONDS = 0.5
GRACE_SECONDS = 3  # between asking the trainer to end and killing it
OUTPUT_CHARACTERS = 4_000  # of what the trainer printed, kept where it died without a word

TRAINER = (sys.executable, "-m", "training")  # takes the run's key, the lease and our own process

stopping = threading.Event()  # set when this worker is going away


def carry_out(
    run_id: int, watch: Callable[[TrainingRun], object] = bool, *, owner: str = "", has_gpu: bool = False
) -> bool:
    """Claim a queued run and see it through in a process of its own.

    Args:
        watch: called twice a second with the run as its row has it.
        owner: name of the worker that this is; by default host and process.
        has_gpu: whether this machine may take runs that need a GPU.
    Returns: false where another process has claimed the run, or it waits no more.
    """
    run = TrainingRun.objects.filter(pk=run_id).first()
    if run is None or not run.claim(owner or _this_process(), has_gpu=has_gpu):
        return False
    try:
        output = storage.working_folder(f"runs/{run.pk}-{run.lease}") / "output.txt"
        trainer = _begin(run, output)
    except OSError as error:  # no space, no more processes
        reason = explain(error, run.training_config.batch_size)
        outlasting(lambda: run.fail(reason))
        return True
    try:
        _see_through(run, trainer, watch)
        outlasting(lambda: _settle(run, trainer.returncode, output))
    finally:
        shutil.rmtree(output.parent, ignore_errors=True)
    watch(run)
    return True


def _this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _begin(run: TrainingRun, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen(
            [*TRAINER, str(run.pk), str(run.lease), str(os.getpid())],
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _see_through(run: TrainingRun, trainer: subprocess.Popen[bytes], watch: Callable[[TrainingRun], object]) -> None:
    """Wait for the trainer's end, and bring it about when the run is cancelled or this worker goes away."""
    held = run.lease
    try:
        while trainer.poll() is None:
            _look_at(run, watch)
            if run.cancel_requested or stopping.is_set() or run.lease != held:
                break
            stopping.wait(POLL_SECONDS)
    finally:
        _stop(trainer)
        run.lease = held


def _look_at(run: TrainingRun, watch: Callable[[TrainingRun], object]) -> None:
    try:
        run.refresh_from_db()
        watch(run)
    except AWAY:  # the trainer goes on; its own writes wait until the database is back
        connection.close()


def _settle(run: TrainingRun, returncode: int, output: Path) -> None:
    """Say in the row of a run whose trainer is gone what becomes of it, unless the trainer did so itself."""
    run.refresh_from_db(fields=["cancel_requested", "state", "config", "epochs_done"])
    if run.cancel_requested:
        run.end_cancelled()
    elif stopping.is_set():
        run.give_back()
    elif not run.has_ended:
        run.add_to_log(output.read_text(errors="replace")[-OUTPUT_CHARACTERS:])
        run.interrupt(death(returncode, run.training_config.batch_size))
    run.refresh_from_db()


def _stop(trainer: subprocess.Popen[bytes]) -> None:
    """End the trainer and all it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if trainer.poll() is not None:
            return
        os.killpg(trainer.pid, number)
        try:
            trainer.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
