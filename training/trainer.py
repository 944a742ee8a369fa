"""A manifest and a config in, an artifact out. No Django inside; TensorFlow is imported here and nowhere above."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training import networks
from training.artifact import H5_NAME, Artifact, Provenance, write_h5
from training.callbacks import (
    BestWeights,
    Checkpointer,
    EpochReporter,
    EpochResult,
    restore_network,
    restore_optimizer,
)
from training.checkpoints import Best, TrainingState, read_checkpoint, write_checkpoint
from training.config import TrainingConfig
from training.devices import Device, mirrored, prepare_device
from training.errors import N_, BrokenArtifact
from training.evaluation import evaluate
from training.input_pipeline import Cache, dataset, pixel_cache, shuffled
from training.manifest import Manifest
from training.twins import make_twin

log = logging.getLogger(__name__)

LOSS = "sparse_categorical_crossentropy"
PARITY_PICTURES = 64  # held-out pictures that the serving twin must answer as the H5 does


class Report(Protocol):
    """Where a run tells what it is doing. A method may raise to end the run."""

    def device(self, device: Device) -> None: ...
    def stage(self, stage: str) -> None: ...  # "preparing", "training", "evaluating"
    def epoch(self, result: EpochResult) -> None: ...

    def resumed(self, epoch: int) -> None:
        """Called once before training begins, with the number of whole epochs found done."""

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        """Takes over a finished file with the state after whole epochs and some batches of the next."""


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs with one optimizer, on the whole network or on its head alone."""

    first: int  # number of its first epoch, from 0
    last: int  # one past its last
    learning_rate: float
    head_only: bool = False


def train(
    manifest: Manifest,
    config: TrainingConfig,
    report: Report,
    *,
    folder: Path,
    cache_folder: Path,
    recognizer: str = "",
    resume_from: Path | None = None,
) -> Artifact:
    """Train one network and write its H5 and its serving twin.

    The epoch with the lowest validation loss is kept; the test pictures are looked at once, at the end.

    Args:
        folder: where network.h5, twin.xml and twin.bin are written, and checkpoints before the report takes them.
        cache_folder: where decoded pictures are kept from run to run.
        recognizer: slug that the H5 carries.
        resume_from: a checkpoint of the same training; it goes on there and ends as if it had never stopped.
    Raises: TrainingError with a sentence for the run's page; OSError with a file's name where a disk is full.
    """
    report.stage("preparing")
    begun = _read_begun(resume_from, manifest)
    keras.utils.set_random_seed(config.seed)
    device = prepare_device()
    report.device(device)
    cache = pixel_cache(manifest, config.image_size, cache_folder)
    num_classes = len(manifest.class_names)
    report.resumed(begun.epoch if begun else 0)
    with mirrored(device, config.batch_size):
        # a checkpoint holds all weights: whoever goes on from one needs none of ImageNet
        network = networks.build(replace(config, pretrained=False) if begun else config, num_classes)
        log.info(
            "%s: %d weights, %d pictures to learn from",
            config.network,
            network.count_params(),
            manifest.count("train"),
        )
        report.stage("training")
        fit(network, cache, manifest, config, report, folder=folder, begun=begun)

    report.stage("evaluating")
    network = networks.with_augmentation_at_rest(_rebuilt(network, config, num_classes))
    test = manifest.positions("test")
    probabilities = predict(network, cache, test, config.batch_size)
    evaluation = evaluate(manifest.labels()[test], probabilities, manifest.class_names)
    log.info("Test accuracy %.4f on %d pictures", evaluation.accuracy, evaluation.pictures)
    held_out = cache[test[:PARITY_PICTURES]]
    provenance = Provenance.of(recognizer, manifest, config)
    h5 = write_h5(network, folder / H5_NAME, provenance, golden_input=held_out[0])
    plain = _rebuilt(network, replace(config, augmentation=()), num_classes)
    twin = make_twin(plain, folder, held_out, probabilities[:PARITY_PICTURES])
    log.info("The serving twin differs from the H5 by at most %.2g", twin.max_difference)
    return Artifact(h5, twin, evaluation, network.count_params())


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


def fit(
    network: keras.Model,
    cache: Cache,
    manifest: Manifest,
    config: TrainingConfig,
    report: Report,
    *,
    folder: Path,
    begun: TrainingState | None = None,
) -> None:
    """Run all epochs that are not done; the network ends with the weights of the one with the lowest validation loss.

    Args:
        folder: where checkpoints are written before the report takes them.
        begun: the state to go on from; none to start with the network as it is.
    """

    def keep(state: TrainingState) -> None:
        path = folder / f"checkpoint-{state.epoch}-{state.step}.npz"
        write_checkpoint(path, state)
        report.checkpoint(path, state.epoch, state.step)

    if begun:
        restore_network(network, begun)
    done, step = (begun.epoch, begun.step) if begun else (0, 0)
    best = BestWeights(network, begun.best if begun else Best(network.get_weights()))
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    checkpointer = Checkpointer(keep, network, best, accuracy, manifest.sha256)
    train, labels = manifest.positions("train"), manifest.labels()
    for phase in _phases(config):
        if done >= phase.last:
            continue
        learner, inputs = _prepare(phase, network, cache, config)
        steps = math.ceil(len(_evenly_shared(train)) / config.batch_size) * (phase.last - phase.first)
        learner.compile(_optimizer(config, phase.learning_rate, steps), LOSS, metrics=[accuracy])
        if begun and (phase.first, 0) < (done, step):
            restore_optimizer(learner, begun)
        validation = dataset(inputs, labels, manifest.positions("validation"), config.batch_size)
        for epoch in range(max(phase.first, done), phase.last):
            order = _evenly_shared(shuffled(train, config.seed, epoch))
            if begun and step and epoch == done:
                order = order[step * config.batch_size :]
                checkpointer.goes_on_from = begun
            learner.fit(
                dataset(inputs, labels, order, config.batch_size),
                validation_data=validation,
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=[EpochReporter(report.epoch, len(order)), best, checkpointer],
                shuffle=False,  # the batches come shuffled
                verbose=0,
            )
    best.restore()
    log.info("Epoch %d is kept, with a validation loss of %.4f", best.best.epoch, best.best.loss)


def _evenly_shared(positions: NDArray[np.intp]) -> NDArray[np.intp]:
    """As many positions as divide among the devices: none may be left with an empty batch."""
    return positions[: len(positions) - len(positions) % tf.distribute.get_strategy().num_replicas_in_sync]


def _phases(config: TrainingConfig) -> list[Phase]:
    if not config.is_fine_tuned:
        return [Phase(0, config.epochs, config.learning_rate)]
    phases = [
        Phase(0, config.head_epochs, config.learning_rate, head_only=True),
        Phase(config.head_epochs, config.epochs, config.fine_tune_learning_rate),
    ]
    return [phase for phase in phases if phase.first < phase.last]


def _prepare(
    phase: Phase, network: keras.Model, cache: Cache, config: TrainingConfig
) -> tuple[keras.Model, NDArray[Any]]:
    """What learns in a phase, and its inputs for every entry of the manifest.

    With the backbone frozen its features are computed once, then the head alone learns: the same training as in `fit`
    with a frozen backbone and no augmentation, several times as fast.
    """
    if phase.head_only:
        networks.freeze_backbone(network)
        features = predict(networks.features_of(network), cache, np.arange(len(cache)), config.batch_size)
        return networks.head_of(network), features
    if config.is_fine_tuned:
        networks.unfreeze_last_stage(network, config)
    return network, cache


def _optimizer(config: TrainingConfig, learning_rate: float, steps: int) -> keras.optimizers.Optimizer:
    rate: float | keras.optimizers.schedules.LearningRateSchedule = learning_rate
    if config.schedule == "cosine":  # with a warm-up over the first tenth
        warm_up = steps // 10
        rate = keras.optimizers.schedules.CosineDecay(
            learning_rate / 10, steps - warm_up, warmup_target=learning_rate, warmup_steps=warm_up
        )
    optimizers: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
        "adam": lambda: keras.optimizers.Adam(rate),
        "adamw": lambda: keras.optimizers.AdamW(rate),
        "sgd": lambda: keras.optimizers.SGD(rate),
        "momentum": lambda: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        "rmsprop": lambda: keras.optimizers.RMSprop(rate),
    }
    return optimizers[config.optimizer]()


def predict(
    network: keras.Model, inputs: NDArray[Any], positions: NDArray[np.intp], batch_size: int
) -> NDArray[np.float32]:
    """The network's answer to the inputs at some positions, shape (len(positions), …)."""
    nothing = np.zeros(len(inputs), dtype=np.int32)
    batches = dataset(inputs, nothing, positions, batch_size)
    return network.predict(batches, verbose=0)  # type: ignore[no-any-return]


def _rebuilt(network: keras.Model, config: TrainingConfig, num_classes: int) -> keras.Model:
    """The same weights in a network of another config, always in float32 so that it answers alike on every machine."""
    keras.config.set_dtype_policy("float32")
    copy = networks.build(replace(config, pretrained=False), num_classes)
    copy.set_weights(network.get_weights())
    return copy
