"""The trainer's process, seen from the worker that starts it: begin, watch, end, and say why it ended.

Training has a process of its own: TensorFlow hangs after a fork and keeps GPU memory until its process ends, and when
memory runs out nothing else must be hit.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import connection

from training import storage
from training.disk import check_room
from training.errors import DiskFull
from training.messages import N_
from training.models.leases import Leased
from training.outages import AWAY, outlasting
from training.runs.failure_reasons import death, explain
from training.runs.memory_kills import MemoryKills

Row = TypeVar("Row", bound=Leased)

POLL_SECONDS = 0.5
GRACE_SECONDS = 3  # between asking the trainer to end and killing it
OUTPUT_CHARACTERS = 4_000  # of what the trainer printed, kept where it died without a word

TRAINER = (sys.executable, "-m", "training")  # takes what is to be done, its key and lease, and our own process

stopping = threading.Event()  # set when this worker is going away

NOT_BEGUN = N_("%(room)s So it was not begun. Make room, then start it again, or let it go on where that is offered.")

log = logging.getLogger(__name__)


def carry_out(run: Row, watch: Callable[[Row], object] = bool, *, owner: str = "", has_gpu: bool = False) -> bool:
    """Claim a queued run, job or import and supervise it in a process of its own.

    Args:
        run: a training run, a job or an import, as it was read some time ago.
        watch: called twice a second with the run as its row has it.
        owner: name of the worker that this is; by default host and process.
        has_gpu: whether this machine may take runs that need a GPU.
    Returns: false where another process has claimed the run, or it waits no more, or this worker is going away: what it
        put back for others it would otherwise take again, and never end.
    """
    if stopping.is_set() or not run.claim(owner or _this_process(), has_gpu=has_gpu):
        return False
    kills = MemoryKills()
    try:
        check_room(NOT_BEGUN)
        output = storage.working_folder(run.work_name) / "output.txt"
        trainer = _begin(run, output)
    except (OSError, DiskFull) as error:  # no space, no more processes
        reason = explain(error, run.batch_size)
        outlasting(lambda: run.fail(reason))
        return True
    try:
        _supervise(run, trainer, watch, kills)
        memory_ran_out = kills.have_risen()
        outlasting(lambda: _settle(run, trainer.returncode, output, memory_ran_out=memory_ran_out))
        watch(run)
    except ObjectDoesNotExist:  # a job goes with the version or the recognizer that it looks at
        log.info("%s %d was deleted while it was being carried out", type(run).__name__, run.pk)
    finally:
        shutil.rmtree(output.parent, ignore_errors=True)
    return True


def _this_process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _begin(run: Leased, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen(
            [*TRAINER, *run.command_line, str(os.getpid())],
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _supervise(
    run: Leased, trainer: subprocess.Popen[bytes], watch: Callable[[Any], object], kills: MemoryKills
) -> None:
    """Wait for the trainer's end, and bring it about when the run is cancelled or this worker goes away."""
    held = run.lease
    try:
        while trainer.poll() is None:
            kills.look()
            _look_at(run, watch)
            if run.cancel_requested or stopping.is_set() or run.lease != held:
                break
            stopping.wait(POLL_SECONDS)
    finally:
        _stop(trainer)
        run.lease = held


def _look_at(run: Leased, watch: Callable[[Any], object]) -> None:
    try:
        run.refresh_from_db()
        watch(run)
    except AWAY:  # the trainer goes on; its own writes wait until the database is back
        connection.close()


def _settle(run: Leased, returncode: int, output: Path, *, memory_ran_out: bool) -> None:
    """Say in the row of a run whose trainer is gone what becomes of it, unless the trainer did so itself."""
    run.refresh_from_db(fields=run.SETTLED_BY)
    if run.cancel_requested:
        run.end_cancelled()
    elif stopping.is_set():
        run.requeue()
    elif not run.has_ended:
        run.add_to_log(output.read_text(errors="replace")[-OUTPUT_CHARACTERS:])
        run.interrupt(death(returncode, run.batch_size, memory_ran_out=memory_ran_out))
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
