"""A manifest and a config in, an artifact out. No Django inside; TensorFlow is imported here and nowhere above."""

from __future__ import annotations

import logging
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
from training.callbacks import BestWeights, EpochReporter, EpochResult
from training.config import TrainingConfig
from training.devices import Device, prepare_device
from training.evaluation import evaluate
from training.input_pipeline import Cache, dataset, pixel_cache
from training.manifest import Manifest
from training.twins import make_twin

log = logging.getLogger(__name__)

PARITY_PICTURES = 64  # held-out pictures that the serving twin must answer as the H5 does


class Report(Protocol):
    """Where a run tells what it is doing. A method may raise to end the run."""

    def device(self, device: Device) -> None: ...
    def stage(self, stage: str) -> None: ...  # "preparing", "training", "evaluating"
    def epoch(self, result: EpochResult) -> None: ...


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
) -> Artifact:
    """Train one network and write its H5 and its serving twin.

    The epoch with the lowest validation loss is kept; the test pictures are looked at once, at the end.

    Args:
        folder: where network.h5, twin.xml and twin.bin are written.
        cache_folder: where decoded pictures are kept from run to run.
        recognizer: slug that the H5 carries.
    Raises: TrainingError with a sentence for the run's page.
    """
    report.stage("preparing")
    keras.utils.set_random_seed(config.seed)
    device = prepare_device()
    report.device(device)
    cache = pixel_cache(manifest, config.image_size, cache_folder)
    num_classes = len(manifest.class_names)
    network = networks.build(config, num_classes)
    log.info(
        "%s: %d weights, %d pictures to learn from",
        config.network,
        network.count_params(),
        manifest.count("train"),
    )

    report.stage("training")
    fit(network, cache, manifest, config, report)

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


def fit(network: keras.Model, cache: Cache, manifest: Manifest, config: TrainingConfig, report: Report) -> None:
    """Run all epochs; the network ends with the weights of the one with the lowest validation loss."""
    best = BestWeights(network)
    for phase in _phases(config):
        learner, batches = _prepare(phase, network, cache, manifest, config)
        steps = len(batches["train"]) * (phase.last - phase.first)
        learner.compile(
            optimizer=_optimizer(config, phase.learning_rate, steps),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        learner.fit(
            batches["train"],
            validation_data=batches["validation"],
            initial_epoch=phase.first,
            epochs=phase.last,
            callbacks=[EpochReporter(report.epoch, manifest.count("train")), best],
            shuffle=False,  # the batches come shuffled
            verbose=0,
        )
    best.restore()
    log.info("Epoch %d is kept, with a validation loss of %.4f", best.epoch, best.loss)


def _phases(config: TrainingConfig) -> list[Phase]:
    if not config.is_fine_tuned:
        return [Phase(0, config.epochs, config.learning_rate)]
    phases = [
        Phase(0, config.head_epochs, config.learning_rate, head_only=True),
        Phase(config.head_epochs, config.epochs, config.fine_tune_learning_rate),
    ]
    return [phase for phase in phases if phase.first < phase.last]


def _prepare(
    phase: Phase, network: keras.Model, cache: Cache, manifest: Manifest, config: TrainingConfig
) -> tuple[keras.Model, dict[str, tf.data.Dataset]]:
    """What learns in a phase, and its batches by split.

    With the backbone frozen its features are computed once, then the head alone learns: the same training as in `fit`
    with a frozen backbone and no augmentation, several times as fast.
    """
    learner = network
    inputs: NDArray[Any] = cache
    if phase.head_only:
        networks.freeze_backbone(network)
        learner = networks.head_of(network)
        inputs = predict(networks.features_of(network), cache, np.arange(len(cache)), config.batch_size)
    elif config.is_fine_tuned:
        networks.unfreeze_last_stage(network, config)
    labels = manifest.labels()
    return learner, {
        "train": dataset(inputs, labels, manifest.positions("train"), config.batch_size, seed=config.seed),
        "validation": dataset(inputs, labels, manifest.positions("validation"), config.batch_size),
    }


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
