"""One claimed run, from its row to its version, in the trainer's process; `python -m training` begins here."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import connection

from training import storage
from training.artifact import Artifact, sha256_of
from training.errors import N_, BrokenArtifact, LeaseLost, TrainerDied, TrainingError
from training.manifest import Manifest
from training.models import ModelVersion, TrainingRun
from training.outages import AWAY, outlasting
from training.pictures import manifest_of_run
from training.reasons import LOST_ITS_DATABASE, LOST_ITS_LEASE, LOST_ITS_PARENT, explain

if TYPE_CHECKING:
    from training.callbacks import EpochResult
    from training.devices import Device

PULSE_SECONDS = 1
HEARTBEATS_EVERY = 5  # pulses

log = logging.getLogger("training")


class Pulse(threading.Thread):
    """Says that the run is alive, keeps its log in the row, and ends the process when nobody owns it any more."""

    def __init__(self, run: TrainingRun, parent: int) -> None:
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
                self.hand_back()
            if len(self.lines) == written and beat % HEARTBEATS_EVERY:
                continue
            written = len(self.lines)
            try:
                self.run_row.write(log=self.text)
            except LeaseLost:
                if has_succeeded(self.run_row):  # this very process has ended the run
                    return
                os._exit(LOST_ITS_LEASE)
            except AWAY:  # the next beat tries again; the lease is lost only after a minute
                connection.close()

    def hand_back(self) -> None:
        """The worker was killed: another one goes on with the run, at once if it hears of it."""
        try:
            self.run_row.interrupt(TrainerDied(N_("The worker that carried it out was killed.")))
        except AWAY:
            log.warning("The run could not be handed back; it will be missed in a minute")
        shutil.rmtree(work_folder(self.run_row), ignore_errors=True)
        os._exit(LOST_ITS_PARENT)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)[-self.run_row.LOG_CHARACTERS :]


class LogLines(logging.Handler):
    """Hands formatted log lines on."""

    def __init__(self, lines: deque[str]) -> None:
        super().__init__(logging.INFO)
        self.lines = lines
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class RowReport:
    """Writes what the trainer tells into the run's row, however long the database is away."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run

    def device(self, device: Device) -> None:
        outlasting(lambda: self.run.write(device=device.name, device_reason=device.reason))
        log.info("Computes on %s in %s", device.name, device.precision)

    def stage(self, stage: str) -> None:
        outlasting(lambda: self.run.write(state=stage))

    def resumed(self, epoch: int) -> None:
        outlasting(lambda: self.run.begin_at(epoch))

    def epoch(self, result: EpochResult) -> None:
        outlasting(lambda: self.run.record_epoch(result))
        log.info(
            "Epoch %d: loss %.4f, accuracy %.4f; validation loss %.4f, accuracy %.4f",
            *(result.number, result.loss, result.accuracy, result.val_loss, result.val_accuracy),
        )

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        """The file first, then its row: a checkpoint that has a row has its file."""
        file = f"{self.run.folder}/{self.run.lease}-{epoch}-{step}{path.suffix}"
        sha256, num_bytes = sha256_of(path), path.stat().st_size
        storage.keep(path, file)
        for outdated in outlasting(
            lambda: self.run.record_checkpoint(epoch=epoch, step=step, file=file, sha256=sha256, num_bytes=num_bytes)
        ):
            storage.forget(outdated)


def train_run(run: TrainingRun) -> ModelVersion:
    """Train a claimed run's network, or go on with it, keep its files and end the run with its version.

    Raises: TrainingError with the sentence for the run's page.
    """
    manifest = outlasting(lambda: manifest_of_run(run))
    checkpoint = outlasting(lambda: newest_checkpoint(run, manifest))
    outlasting(lambda: run.write(**_counts(manifest)))

    from training.trainer import train  # TensorFlow takes seconds, so what can be refused before it is

    artifact = train(
        manifest,
        run.training_config,
        RowReport(run),
        folder=work_folder(run),
        cache_folder=storage.working_folder("cache/pixels"),
        recognizer=run.recognizer.slug,
        resume_from=checkpoint,
    )
    version = _keep(run, manifest, artifact)
    run.forget_checkpoints()
    return version


def work_folder(run: TrainingRun) -> Path:
    return storage.working_folder(f"runs/{run.pk}-{run.lease}")


def newest_checkpoint(run: TrainingRun, manifest: Manifest) -> Path | None:
    """The newest checkpoint whose file is whole; none where the run's pictures are other ones by now."""
    if run.manifest_sha256 != manifest.sha256:
        run.forget_checkpoints()
    for checkpoint in run.checkpoints.all():
        try:
            checkpoint.check_file()
        except BrokenArtifact as error:
            log.warning("The checkpoint of epoch %d is left aside: %s", checkpoint.epoch, error)
        else:
            return checkpoint.path
    return None


def _counts(manifest: Manifest) -> dict[str, object]:
    return {
        "manifest_sha256": manifest.sha256,
        "num_train": manifest.count("train"),
        "num_validation": manifest.count("validation"),
        "num_test": manifest.count("test"),
    }


def _keep(run: TrainingRun, manifest: Manifest, artifact: Artifact) -> ModelVersion:
    """Files first, then the row: a version that has a row has its files."""
    folder = f"versions/{run.recognizer_id}/{run.pk}-{run.lease}"
    h5_bytes = artifact.h5.path.stat().st_size
    for path in (artifact.h5.path, *artifact.twin.paths):
        storage.keep(path, f"{folder}/{path.name}")
    version = ModelVersion(
        recognizer=run.recognizer,
        run=run,
        folder=folder,
        h5_sha256=artifact.h5.sha256,
        h5_bytes=h5_bytes,
        twin_sha256=artifact.twin.sha256,
        twin_difference=artifact.twin.max_difference,
        class_names=manifest.class_names,
        image_size=run.training_config.image_size,
        num_weights=artifact.num_weights,
        test_accuracy=artifact.evaluation.accuracy,
        evaluation=artifact.evaluation.to_dict(),
    )
    if run.publish_when_done:
        version.trouble_sentence = _what_speaks_against(version)
    outlasting(lambda: run.succeed(version))
    return version


def _what_speaks_against(version: ModelVersion) -> dict[str, Any]:
    """Why a version cannot be published; empty where it can."""
    try:
        version.verify()
    except TrainingError as error:
        log.error("The version cannot be published: %s", error)
        return dict(error.sentence)
    return {}


def has_succeeded(run: TrainingRun) -> bool:
    mine = TrainingRun.objects.filter(pk=run.pk, lease=run.lease)
    return mine.filter(state=TrainingRun.State.SUCCEEDED).exists()


def main(run_id: int, lease: int, parent: int) -> int:
    """Returns: the exit code, 0 where the run ended with a version, 1 where its row says why it failed."""
    run = outlasting(lambda: TrainingRun.objects.select_related("recognizer").get(pk=run_id, lease=lease))
    pulse = Pulse(run, parent)
    logging.getLogger().addHandler(LogLines(pulse.lines))
    pulse.start()
    try:
        train_run(run)
    except LeaseLost:  # or the answer to the commit that ended the run was lost, and the second try found it ended
        return 0 if has_succeeded(run) else LOST_ITS_LEASE
    except AWAY:
        return LOST_ITS_DATABASE
    except BaseException as error:
        log.exception("The run failed")
        return _fail(run, pulse, error)
    finally:
        pulse.ended.set()
    outlasting(lambda: run.add_to_log(pulse.text))
    return 0


def _fail(run: TrainingRun, pulse: Pulse, error: BaseException) -> int:
    sentence = explain(error, run.training_config.batch_size)
    try:
        outlasting(lambda: run.add_to_log(pulse.text))
        outlasting(lambda: run.fail(sentence))
    except AWAY:
        return LOST_ITS_DATABASE
    return 1
