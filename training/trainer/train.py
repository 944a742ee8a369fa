"""A manifest and a config in, an artifact out. No Django inside; TensorFlow is imported here and nowhere above."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from training import networks
from training.artifacts.h5 import Provenance, write_h5
from training.artifacts.version_files import H5_NAME, Artifact
from training.config import TrainingConfig
from training.config.pretrained_weights import are_at_hand
from training.data.images import Pixels
from training.data.manifest import Manifest
from training.data.pixel_cache import pixel_cache
from training.devices import Device
from training.environment import environment_of
from training.errors import BrokenArtifact
from training.messages import N_
from training.trainer.acceleration import accelerated, has_bfloat16
from training.trainer.checkpoints import TrainingState, read_checkpoint
from training.trainer.conversion import make_serving_model
from training.trainer.distribution import distribution_scope, prepare_device
from training.trainer.evaluate import evaluate
from training.trainer.fitting import EpochReport, fit
from training.trainer.phases import PhaseSetup, start_afresh

log = logging.getLogger(__name__)

PARITY_PICTURES = 64  # held-out pictures that the serving model must answer as the H5 does
FEW = 8  # pictures that a network is called with outside of a graph


class Report(EpochReport, Protocol):
    """Where a run tells what it is doing. A method may raise to end the run."""

    def device(self, device: Device) -> None: ...
    def stage(self, stage: str) -> None: ...  # "preparing", "training", "converting", "evaluating"

    def resumed(self, epoch: int) -> None:
        """Called once before training begins, with the number of whole epochs found done."""


def train(
    manifest: Manifest,
    config: TrainingConfig,
    report: Report,
    *,
    folder: Path,
    cache_folder: Path,
    recognizer: str = "",
    resume_from: Path | None = None,
    watched: Sequence[str] = (),
) -> Artifact:
    """Train one network and write its H5 and its serving model.

    The epoch with the lowest validation loss is kept; the test pictures are looked at once, at the end.

    Args:
        folder: where the H5 and the serving model are written, and checkpoints before the report takes them.
        cache_folder: where decoded pictures are kept from run to run.
        recognizer: slug that the H5 carries.
        resume_from: a checkpoint of the same training; it goes on there and ends as if it had never stopped.
        watched: checksums of the pictures that an attempt before has shown as it learned; none to pick some.
    Raises: UserFacingError with a sentence for the run's page; OSError with a file's name where a disk is full.
    """
    report.stage("preparing")
    begun = _read_begun(resume_from, manifest)
    start_afresh(config.seed)
    device = prepare_device(config.precision)
    report.device(device)
    cache = pixel_cache(manifest, config.image_size, cache_folder)
    num_classes = len(manifest.class_names)
    report.resumed(begun.epoch if begun else 0)
    # its weights were there when the training began, on another machine perhaps; the rest of it is in the checkpoint
    if begun and config.has_companion and not are_at_hand(config.companion, config.image_size):
        config = config.changed({"companion": "none"})
    with distribution_scope(device, config.batch_size):
        # a checkpoint holds all weights: whoever goes on from one needs none of ImageNet
        network = network_to_fit(config, num_classes, with_weights=begun is None)
        log.info(
            "%s: %d weights, %d pictures to learn from",
            config.network,
            network.count_params(),
            manifest.count("train"),
        )
        report.stage("training")
        setup = PhaseSetup(network, cache, manifest, config, folder)
        fitted = fit(setup, report, begun=begun, watched=watched)
        network, config = fitted.network, fitted.config

    report.stage("converting")
    network = networks.with_augmentation_at_rest(_rebuilt(network, config, num_classes))
    unseen = cache[manifest.positions("test")[:PARITY_PICTURES]]
    expected = _answers(network, unseen)
    plain = _rebuilt(network, replace(config, augmentation=()), num_classes)
    serving_model = make_serving_model(plain, folder, unseen, expected, body=setup.converted_body)
    log.info("The copy that answers differs from the H5 by at most %.2g", serving_model.max_difference)
    report.stage("evaluating")
    result = evaluate(serving_model, cache, manifest, fitted.held_out)
    log.info("Accuracy %.4f on %d pictures it never saw", result.evaluation.accuracy, result.evaluation.pictures)
    provenance = provenance_of(
        recognizer,
        manifest.class_names,
        config,
        device,
        manifest_sha256=manifest.sha256,
        temperature=result.temperature,
    )
    h5 = write_h5(network, folder / H5_NAME, provenance, golden_input=unseen[0])
    return Artifact(
        h5, serving_model, result.evaluation, result.temperature, result.predictions, network.count_params()
    )


def provenance_of(
    recognizer: str,
    class_names: Sequence[str],
    config: TrainingConfig,
    device: Device,
    *,
    manifest_sha256: str = "",
    temperature: float = 1.0,
) -> Provenance:
    """What an H5 says of where it comes from; without a manifest it has learned from no pictures of ours."""
    return Provenance(
        recognizer,
        list(class_names),
        config.to_dict(),
        manifest_sha256,
        keras.__version__,
        trained_at=datetime.now(UTC).isoformat(timespec="seconds"),
        temperature=temperature,
        environment=environment_of(device),
    )


def network_to_fit(config: TrainingConfig, num_classes: int, *, with_weights: bool = True) -> keras.Model:
    """The config's network of the layers that learn fastest, without augmentation: the pictures come changed.

    Args:
        with_weights: whether pretrained weights are wanted where the config says so.
    Raises: WeightsNotFound.
    """
    plain = replace(config, augmentation=(), beside_start=False, pretrained=config.pretrained and with_weights)
    network = networks.build(plain, num_classes)
    if config.learns_only_its_last_layer:
        return network
    return accelerated(network, halves=config.precision != "float32" and has_bfloat16())


def _read_begun(path: Path | None, manifest: Manifest) -> TrainingState | None:
    if path is None:
        return None
    begun = read_checkpoint(path)
    if begun.manifest_sha256 != manifest.sha256:
        raise BrokenArtifact(
            N_("%(file)s belongs to a training on other pictures. Start the run again from the beginning."),
            file=path.name,
        )
    log.info("Goes on after epoch %d and %d batches of the next", begun.epoch, begun.step)
    return begun


def _answers(network: keras.Model, pixels: Pixels) -> NDArray[np.float32]:
    """The network as it is called by whoever opens its H5, a few pictures at a time: Keras keeps all their maps."""
    few = [pixels[i : i + FEW].astype(np.float32) for i in range(0, len(pixels), FEW)]
    return np.concatenate([np.asarray(network(each, training=False)) for each in few])


def _rebuilt(network: keras.Model, config: TrainingConfig, num_classes: int) -> keras.Model:
    """The same weights in a network of another config, always in float32 so that it answers alike on every machine."""
    keras.config.set_dtype_policy("float32")
    copy = networks.build(replace(config, pretrained=False), num_classes)
    copy.set_weights(network.get_weights())
    return copy
