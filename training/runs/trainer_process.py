"""The trainer's process from within: one claimed run or job, with its pulse, its log and its end."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections import deque

from django.db import connection

from training import storage
from training.errors import LeaseLost, TrainerDied
from training.library.imports import read_archive
from training.messages import N_
from training.models import Job, PictureImport, TrainingRun
from training.models.leases import Leased
from training.outages import AWAY, outlasting
from training.runs import job_kinds, training_run
from training.runs.failure_reasons import LOST_ITS_DATABASE, LOST_ITS_LEASE, LOST_ITS_PARENT, explain

PULSE_SECONDS = 1
HEARTBEATS_EVERY = 5  # pulses

KINDS: dict[str, type[Leased]] = {"run": TrainingRun, "job": Job, "import": PictureImport}

log = logging.getLogger("training")


class Pulse(threading.Thread):
    """Says that the run is alive, keeps its log in the row, and ends the process when nobody owns it any more."""

    def __init__(self, run: Leased, parent: int) -> None:
        super().__init__(daemon=True)
        self.run_row = run
        self.lines: deque[str] = deque(maxlen=500)
        self.parent = parent  # the process that may end this one
        self.ended = threading.Event()

    def run(self) -> None:
        beat, written = 0, 0
        while not self.ended.wait(PULSE_SECONDS):
            beat += 1
            if os.getppid() != self.parent:
                self.release()
            if len(self.lines) == written and beat % HEARTBEATS_EVERY:
                continue
            written = len(self.lines)
            try:
                self.run_row.write(log=self.text)
            except LeaseLost:
                if has_done_it(self.run_row):  # this very process has ended the run
                    return
                os._exit(LOST_ITS_LEASE)
            except AWAY:  # the next beat tries again; the lease is lost only after a minute
                connection.close()

    def release(self) -> None:
        """The worker was killed: another one goes on with the run, at once if it hears of it."""
        try:
            self.run_row.interrupt(TrainerDied(N_("The worker that carried it out was killed.")))
        except AWAY:
            log.warning("The run could not be released; it will be missed in a minute")
        shutil.rmtree(storage.working_folder(self.run_row.work_name), ignore_errors=True)
        os._exit(LOST_ITS_PARENT)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)[-self.run_row.LOG_CHARACTERS :]


class LogLines(logging.Handler):
    """Hands formatted log lines on: what we say of the work, and what others warn of.

    TensorFlow's own remarks name temporary folders and mean nothing on a run's page.
    """

    def __init__(self, lines: deque[str]) -> None:
        super().__init__(logging.INFO)
        self.lines = lines
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def filter(self, record: logging.LogRecord) -> bool:
        is_ours = record.name.partition(".")[0] == "training"
        return (is_ours or record.levelno >= logging.WARNING) and bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def carry_out(row: Leased) -> None:
    """Do what a claimed row asks for and end it with what came of it. Raises: UserFacingError for its page."""
    if isinstance(row, TrainingRun) and row.is_trial:
        training_run.train_trial(row)
    elif isinstance(row, TrainingRun):
        training_run.train_run(row)
    elif isinstance(row, Job):
        job_kinds.carry_out(row)
    elif isinstance(row, PictureImport):
        read_archive(row)


def has_done_it(row: Leased) -> bool:
    """Whether this very process has ended the row, and well."""
    now = type(row)._default_manager.filter(pk=row.pk).first()
    if now is None:  # deleted
        return False
    return now.lease == row.lease and now.has_ended and now.state not in (row.FAILED, row.CANCELLED)


def main(kind: str, key: int, lease: int, parent: int) -> int:
    """Returns: the exit code, 0 where the row ended well, 1 where it says why it failed."""
    row = outlasting(lambda: KINDS[kind]._default_manager.get(pk=key, lease=lease))
    pulse = Pulse(row, parent)
    logging.getLogger().addHandler(LogLines(pulse.lines))
    pulse.start()
    try:
        carry_out(row)
    except LeaseLost:  # or the answer to the commit that ended it was lost, and the second try found it ended
        return 0 if has_done_it(row) else LOST_ITS_LEASE
    except AWAY:
        return LOST_ITS_DATABASE
    except BaseException as error:
        log.exception("The run failed")
        return _fail(row, pulse, error)
    finally:
        pulse.ended.set()
    outlasting(lambda: row.add_to_log(pulse.text))
    return 0


def _fail(row: Leased, pulse: Pulse, error: BaseException) -> int:
    sentence = explain(error, row.batch_size)
    try:
        outlasting(lambda: row.add_to_log(pulse.text))
        outlasting(lambda: row.fail(sentence))
    except AWAY:
        return LOST_ITS_DATABASE
    return 1
