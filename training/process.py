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

from training import storage
from training.errors import N_, TrainerDied
from training.models import TrainingRun

POLL_SECONDS = 0.5
GRACE_SECONDS = 3  # between asking the trainer to end and killing it
OUTPUT_CHARACTERS = 4_000  # of what the trainer printed, kept where it died without a word

TRAINER = (sys.executable, "-m", "training.job")  # takes the run's key, the lease and our own process

stopping = threading.Event()  # set when this worker is going away


def carry_out(run_id: int, watch: Callable[[TrainingRun], object] = bool, *, has_gpu: bool = False) -> bool:
    """Claim a queued run and see it through in a process of its own.

    Args:
        watch: called twice a second with the run as its row has it.
        has_gpu: whether this machine may take runs that need a GPU.
    Returns: false where another process has claimed the run, or it waits no more.
    """
    run = TrainingRun.objects.get(pk=run_id)
    if not run.claim(f"{socket.gethostname()}:{os.getpid()}", has_gpu=has_gpu):
        return False
    output = storage.working_folder(f"runs/{run.pk}-{run.lease}") / "output.txt"
    with output.open("wb") as file:
        trainer = subprocess.Popen(
            [*TRAINER, str(run.pk), str(run.lease), str(os.getpid())],
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _see_through(run, trainer, watch)
    _settle(run, trainer.returncode, output)
    shutil.rmtree(output.parent)
    watch(run)
    return True


def _see_through(run: TrainingRun, trainer: subprocess.Popen[bytes], watch: Callable[[TrainingRun], object]) -> None:
    """Wait for the trainer's end, and bring it about when the run is cancelled or this worker goes away."""
    held = run.lease
    try:
        while trainer.poll() is None:
            run.refresh_from_db()
            watch(run)
            if run.cancel_requested or stopping.is_set() or run.lease != held:
                _stop(trainer)
                break
            stopping.wait(POLL_SECONDS)
    finally:
        _stop(trainer)
        run.lease = held


def _settle(run: TrainingRun, returncode: int, output: Path) -> None:
    """End the row of a run whose trainer is gone, unless the trainer did so itself."""
    run.refresh_from_db(fields=["cancel_requested", "state", "config", "epochs_done"])
    if run.cancel_requested:
        run.end_cancelled()
    elif stopping.is_set():
        run.give_back()
    elif not run.has_ended:
        run.add_to_log(output.read_text(errors="replace")[-OUTPUT_CHARACTERS:])
        run.interrupt(death(returncode, run.training_config.batch_size))
    run.refresh_from_db()


def death(returncode: int, batch_size: int) -> TrainerDied:
    """What it means that a trainer ended with this return code (negative: the signal)."""
    if returncode == -signal.SIGKILL:
        return TrainerDied(
            N_(
                "The trainer was killed, most likely because memory ran out at batch size %(size)d. "
                "Try batch size %(half)d or a smaller image size."
            ),
            size=batch_size,
            half=max(1, batch_size // 2),
        )
    if returncode < 0:
        return TrainerDied(
            N_("The trainer was ended by signal %(name)s. Start the run again."),
            name=signal.Signals(-returncode).name,
        )
    return TrainerDied(
        N_("The trainer ended with code %(code)d and left no reason. The end of its log may say more."),
        code=returncode,
    )


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
