"""One claimed run, from its row to its version, in the trainer's process."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from training import storage
from training.artifacts.files import sha256_of
from training.artifacts.predictions_file import predictions_to_bytes
from training.artifacts.version_files import PREDICTIONS_NAME, Artifact
from training.config import TrainingConfig
from training.data.manifest import Manifest
from training.data.pixel_cache import pixel_cache, pixel_file
from training.disk import check_room
from training.environment import environment_of
from training.errors import BrokenArtifact, TooFewPictures, TrialPruned
from training.library.deleted_pictures import without_deleted
from training.library.digits import take_digits, takes_its_digits
from training.library.manifests import manifest_of_run
from training.messages import N_, UserFacingError
from training.models import ModelVersion, TrainingRun
from training.outages import outlasting
from training.results.watched_picture import WatchedPicture
from training.runs.requests import NONE_TO_CHOOSE_BY, usual_pictures
from training.runs.search import Trial, begin_trial

if TYPE_CHECKING:
    from training.devices import Device
    from training.evaluation.epochs import EpochResult

CONVERTING = "converting"  # the stage in which the copy that answers is made, the first after the learning
PIXEL_CACHE = "cache/pixels"  # working folder in which decoded pictures are kept from run to run

GO_ON_LATER = N_("%(room)s Make room, then let the run go on from what it has kept, or start it again.")

log = logging.getLogger("training")


class RowReport:
    """Writes what the trainer tells into the run's row, however long the database is away."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.environment: dict[str, Any] = {"parts": {}}  # of this attempt

    def device(self, device: Device) -> None:
        self.environment |= environment_of(device)
        values = {"device": device.name, "device_reason": device.reason, "environment": self.environment}
        outlasting(lambda: self.run.write(**values))
        log.info("Computes on %s in %s", device.name, device.precision)

    def stage(self, stage: str) -> None:
        self.part(stage)
        check_room(GO_ON_LATER)
        state = TrainingRun.State.EVALUATING if stage == CONVERTING else stage
        outlasting(lambda: self.run.write(state=state))

    def part(self, name: str) -> None:
        """Keep when a part of this attempt began; where it is begun twice the first time counts."""
        self.environment["parts"].setdefault(name, timezone.now().isoformat(timespec="seconds"))
        outlasting(lambda: self.run.write(environment=self.environment))

    def resumed(self, epoch: int) -> None:
        if not epoch:
            self.run.watched = []
        outlasting(lambda: self.run.begin_at(epoch))

    def epoch(self, result: EpochResult) -> None:
        outlasting(lambda: self.run.record_epoch(result))
        log.info(
            "Epoch %d: loss %.4f, accuracy %.4f; on pictures to choose by loss %.4f, accuracy %.4f",
            *(result.number, result.loss, result.accuracy, result.val_loss, result.val_accuracy),
        )

    def answered(self, epoch: int, pictures: list[WatchedPicture]) -> None:
        before = {each["sha256"]: WatchedPicture.from_dict(each) for each in self.run.watched}
        now = [before.get(each.sha256, each).after(epoch, each.answers[-1]) for each in pictures]
        self.run.watched = [each.to_dict() for each in now]
        outlasting(lambda: self.run.write(watched=self.run.watched))

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        """The file first, then its row: a checkpoint that has a row has its file."""
        file = f"{self.run.folder}/{self.run.lease}-{epoch}-{step}{path.suffix}"
        sha256, num_bytes = sha256_of(path), path.stat().st_size
        storage.keep(path, file)
        for outdated in outlasting(
            lambda: self.run.record_checkpoint(epoch=epoch, step=step, file=file, sha256=sha256, num_bytes=num_bytes)
        ):
            storage.forget(outdated)
        check_room(GO_ON_LATER)


class TrialOver(Exception):
    """A trial has learned all it will."""


class TrialReport(RowReport):
    """A run of a search ends early where that is hopeless, and in any case before the test pictures are looked at."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial.run)
        self.trial = trial

    def stage(self, stage: str) -> None:
        if stage == CONVERTING:
            raise TrialOver
        super().stage(stage)

    def epoch(self, result: EpochResult) -> None:
        super().epoch(result)
        self.trial.check(result)


def train_trial(run: TrainingRun) -> None:
    """Train a claimed run of a search with the settings it tries next, and end it with what these came to.

    Raises: UserFacingError with the sentence for the run's page.
    """
    trial = begin_trial(run)
    state = TrainingRun.State.SUCCEEDED
    try:
        report = TrialReport(trial)
        _train(run, prepared(run, report), report)
    except TrialOver:
        pass
    except TrialPruned as reason:
        log.info("%s", reason)
        state = TrainingRun.State.PRUNED
    trial.end(state)
    run.forget_checkpoints()


def train_run(run: TrainingRun) -> ModelVersion:
    """Train a claimed run's network, or go on with it, keep its files and end the run with its version.

    Raises: UserFacingError with the sentence for the run's page.
    """
    report = RowReport(run)
    if run.imagenet_classes:
        return keep(run, sorted(run.imagenet_classes), _know(run, report))
    if takes_its_digits(run):
        report.part("preparing")
        take_digits(run.recognizer)
    manifest = prepared(run, report)
    version = keep(run, manifest.class_names, _train(run, manifest, report))
    run.forget_checkpoints()
    return version


def _know(run: TrainingRun, report: RowReport) -> Artifact:
    """A network that knows the run's classes of ImageNet."""
    from training.trainer.imagenet_version import make_imagenet_version  # TensorFlow takes seconds

    return make_imagenet_version(
        run.imagenet_classes,
        run.training_config,
        report,
        folder=storage.working_folder(run.work_name),
        recognizer=run.recognizer.slug,
    )


def prepared(run: TrainingRun, report: RowReport) -> Manifest:
    """The pictures of a run, decoded, with its network settled; one that is deleted meanwhile is left out.

    Raises: UserFacingError with the sentence for the run's page.
    """
    return without_deleted(run.recognizer, lambda: _prepare(run, report))


def _prepare(run: TrainingRun, report: RowReport) -> Manifest:
    manifest = outlasting(lambda: manifest_of_run(run))
    if run.is_network_open:
        report.part("choosing")
        settle_network(run, manifest)
    _check_suits(manifest, run.training_config)
    report.part("preparing")
    check_room(GO_ON_LATER, _num_pixel_bytes(run, manifest))
    pixel_cache(manifest, run.training_config.image_size, storage.working_folder(PIXEL_CACHE))
    return manifest


def _check_suits(manifest: Manifest, config: TrainingConfig) -> None:
    """Raises: TooFewPictures where none is there to choose the best epoch by, and the config learns in epochs."""
    if not manifest.count("validation") and not config.is_found_at_once:
        raise TooFewPictures(NONE_TO_CHOOSE_BY)


def settle_network(run: TrainingRun, manifest: Manifest) -> None:
    """Put the network that is chosen into the row, with its settings and why: a later attempt goes on with them.

    Raises: UserFacingError with the sentence for the run's page.
    """
    from training.trainer.network_selection import select_network

    config, why = select_network(
        manifest,
        run.training_config,
        run.preset,
        cache_folder=storage.working_folder(run.work_name),
        side=usual_pictures(run.recognizer)["side"],
        is_mirror_safe=run.recognizer.is_mirror_safe,
        watch=lambda candidates: outlasting(lambda: run.write(candidates=[each.to_dict() for each in candidates])),
    )
    run.config, run.choice_sentence, run.is_network_open = config.to_dict(), dict(why), False
    settled = {"config": run.config, "choice_sentence": run.choice_sentence, "is_network_open": False}
    outlasting(lambda: run.write(**settled))
    log.info("%s", run.choice)


def _train(run: TrainingRun, manifest: Manifest, report: RowReport) -> Artifact:
    """From the newest checkpoint, where there is one."""
    checkpoint = outlasting(lambda: newest_checkpoint(run, manifest))
    outlasting(lambda: run.write(**_counts(manifest)))

    from training.trainer.train import train  # TensorFlow takes seconds, so what can be refused before it is

    return train(
        manifest,
        run.training_config,
        report,
        folder=storage.working_folder(run.work_name),
        cache_folder=storage.working_folder(PIXEL_CACHE),
        recognizer=run.recognizer.slug,
        resume_from=checkpoint,
        watched=[each["sha256"] for each in run.watched] if checkpoint else (),
    )


def _num_pixel_bytes(run: TrainingRun, manifest: Manifest) -> int:
    """How much room its decoded pictures take, unless an earlier run has left them."""
    image_size = run.training_config.image_size
    if pixel_file(manifest, image_size, storage.working_folder(PIXEL_CACHE)).exists():
        return 0
    return len(manifest.entries) * image_size**2 * 3


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


def keep(run: TrainingRun, class_names: list[str], artifact: Artifact) -> ModelVersion:
    """End a held run with its version. Files first, then the row: a version that has a row has its files.

    Args:
        artifact: its files are moved into the store.
    Raises: LeaseLost.
    """
    evaluation = artifact.evaluation
    folder = f"versions/{run.recognizer_id}/{run.pk}-{run.lease}"
    h5_bytes = artifact.h5.path.stat().st_size
    for path in (artifact.h5.path, *artifact.serving_model.paths):
        storage.keep(path, f"{folder}/{path.name}")
    predictions = predictions_to_bytes(artifact.predictions) if artifact.predictions else b""
    if predictions:
        storage.keep_bytes(predictions, f"{folder}/{PREDICTIONS_NAME}")
    version = ModelVersion(
        recognizer=run.recognizer,
        run=run,
        folder=folder,
        h5_sha256=artifact.h5.sha256,
        h5_bytes=h5_bytes,
        serving_model_sha256=artifact.serving_model.sha256,
        serving_model_difference=artifact.serving_model.max_difference,
        class_names=class_names,
        image_size=run.training_config.image_size,
        num_weights=artifact.num_weights,
        test_accuracy=evaluation.accuracy if evaluation else None,
        temperature=artifact.temperature,
        evaluation=evaluation.to_dict() if evaluation else {},
        predictions_sha256=hashlib.sha256(predictions).hexdigest() if predictions else "",
    )
    if run.publish_when_done:
        version.trouble_sentence = _what_speaks_against(version)
    outlasting(lambda: run.succeed(version))
    return version


def _what_speaks_against(version: ModelVersion) -> dict[str, Any]:
    """Why a version cannot be published; empty where it can."""
    try:
        version.files.verify()
    except UserFacingError as error:
        log.error("The version cannot be published: %s", error)
        return dict(error.sentence)
    return {}
