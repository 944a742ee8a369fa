"""One claimed run, from its row to its version: `python -m training.job RUN LEASE PARENT`, a process of its own."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from training.artifact import Artifact
    from training.callbacks import EpochResult
    from training.devices import Device
    from training.errors import TrainingError
    from training.manifest import Manifest
    from training.models import ModelVersion, TrainingRun

PULSE_SECONDS = 1
HEARTBEATS_EVERY = 5  # pulses
NICENESS = 5  # answering visitors goes before training
LOST_ITS_PARENT, LOST_ITS_LEASE = 3, 4  # exit codes

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
        from training.errors import LeaseLost

        beat, written = 0, 0
        while not self.ended.wait(PULSE_SECONDS):
            beat += 1
            if os.getppid() != self.parent:  # the worker was killed; its successor will claim the run anew
                os._exit(LOST_ITS_PARENT)
            if len(self.lines) == written and beat % HEARTBEATS_EVERY:
                continue
            written = len(self.lines)
            try:
                self.run_row.write(log=self.text)
            except LeaseLost:
                if self.has_succeeded():  # this very process has ended the run, and may be publishing its version
                    return
                os._exit(LOST_ITS_LEASE)
            except django.db.Error:  # the next beat tries again; the lease is lost only after a minute
                log.exception("The heartbeat could not be written")

    def has_succeeded(self) -> bool:
        from training.models import TrainingRun

        mine = TrainingRun.objects.filter(pk=self.run_row.pk, lease=self.run_row.lease)
        return mine.filter(state=TrainingRun.State.SUCCEEDED).exists()

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
    """Writes what the trainer tells into the run's row."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run

    def device(self, device: Device) -> None:
        self.run.write(device=device.name, device_reason=device.reason)
        log.info("Computes on %s in %s", device.name, device.precision)

    def stage(self, stage: str) -> None:
        self.run.write(state=stage)

    def epoch(self, result: EpochResult) -> None:
        self.run.record_epoch(result)
        log.info(
            "Epoch %d: loss %.4f, accuracy %.4f; validation loss %.4f, accuracy %.4f",
            *(result.number, result.loss, result.accuracy, result.val_loss, result.val_accuracy),
        )


def train_run(run: TrainingRun) -> ModelVersion:
    """Train a claimed run's network, keep its files and end the run with its version.

    Raises: TrainingError with the sentence for the run's page.
    """
    from training import storage
    from training.pictures import manifest_of

    config = run.training_config
    manifest = manifest_of(run.recognizer, config)
    run.write(**_counts(manifest))
    folder = storage.working_folder(f"runs/{run.pk}-{run.lease}")
    manifest.save(folder / "manifest.json")

    from training.trainer import train  # TensorFlow takes seconds, so what can be refused before it is

    artifact = train(
        manifest,
        config,
        RowReport(run),
        folder=folder,
        cache_folder=storage.working_folder("cache/pixels"),
        recognizer=run.recognizer.slug,
    )
    return _keep(run, manifest, artifact)


def _counts(manifest: Manifest) -> dict[str, object]:
    return {
        "manifest_sha256": manifest.sha256,
        "num_train": manifest.count("train"),
        "num_validation": manifest.count("validation"),
        "num_test": manifest.count("test"),
    }


def _keep(run: TrainingRun, manifest: Manifest, artifact: Artifact) -> ModelVersion:
    """Files first, then the row: a version that has a row has its files."""
    from training import storage
    from training.models import ModelVersion

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
    run.succeed(version)
    return version


def explain(error: BaseException, batch_size: int) -> TrainingError:
    """Any error of a training as a sentence that says what to do."""
    from training.errors import N_, TrainingError

    if isinstance(error, TrainingError):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":  # TensorFlow's
        return TrainingError(
            N_("Out of memory at batch size %(size)d. Try batch size %(half)d or a smaller image size."),
            size=batch_size,
            half=max(1, batch_size // 2),
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TrainingError(
            N_("No space left on the disk (%(file)s). Free some and start the run again."),
            file=str(error.filename or ""),
        )
    return TrainingError(
        N_("The trainer stopped with an error of its own: %(error)s. The end of the log says where."),
        error=f"{type(error).__name__}: {error}"[:500],
    )


def main(run_id: int, lease: int, parent: int) -> int:
    from training.errors import LeaseLost
    from training.models import TrainingRun

    run = TrainingRun.objects.select_related("recognizer").get(pk=run_id, lease=lease)
    pulse = Pulse(run, parent)
    logging.getLogger().addHandler(LogLines(pulse.lines))
    pulse.start()
    try:
        version = train_run(run)
        if run.publish_when_done:
            version.publish(run.started_by)
    except LeaseLost:
        return LOST_ITS_LEASE
    except BaseException as error:
        log.exception("The run failed")
        run.add_to_log(pulse.text)
        run.fail(explain(error, run.training_config.batch_size))
        return 1
    finally:
        pulse.ended.set()
    run.add_to_log(pulse.text)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.nice(NICENESS)
    django.setup()
    sys.exit(main(*map(int, sys.argv[1:])))
