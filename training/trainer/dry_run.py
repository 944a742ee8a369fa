"""A dry run: the first steps of a training that has not begun, with a watch, on a few of its pictures.

What is done once is timed as a whole, what is done for every picture or step is timed and multiplied.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from training.config import TrainingConfig
from training.config.schedules import Phase, phases
from training.data.images import load_pixels
from training.data.manifest import Manifest
from training.data.subsets import subset
from training.hardware import available_bytes
from training.results.dry_run_result import DryRun
from training.trainer.distribution import distribution_scope, prepare_device
from training.trainer.input_pipeline import stacked
from training.trainer.phases import PhaseSetup, start_afresh
from training.trainer.train import network_to_fit

STEPS = 20
UNTIMED_STEPS = 2  # the first ones trace
VALIDATED = 64  # pictures
START_SECONDS = 6.0  # until TensorFlow is there and the device is known; about that on two cores
END_SECONDS = 12.0  # for the serving model, its comparison with the H5 and the figures, beside the answers themselves
MEMORY_LEFT = 0.8  # share of the free memory that a batch may take
KEPT_TWICE = 2  # the maps of a step and their gradients
LARGEST_BATCH = 1024

Result = TypeVar("Result")


def pictures_needed(manifest: Manifest, config: TrainingConfig) -> Manifest:
    """The few that a dry run looks at."""
    return subset(manifest, {"train": min(STEPS * config.batch_size, 2 * STEPS * 32), "validation": VALIDATED})


def dry_run(manifest: Manifest, config: TrainingConfig, *, folder: Path) -> DryRun:
    """Take the first steps of each phase of a training.

    Args:
        manifest: of the whole training; some of its pictures are looked at.
        folder: where a conversion may write for a moment.
    Raises: WeightsNotFound, UnreadablePicture.
    """
    start_afresh(config.seed)
    device = prepare_device(config.precision)
    few = pictures_needed(manifest, config)
    root = Path(manifest.root)
    pixels, reading = _timed(
        lambda: stacked(lambda i: load_pixels(root / few.entries[i].file, config.image_size), len(few.entries))
    )
    expected = START_SECONDS + END_SECONDS + reading / len(few.entries) * len(manifest.entries)
    with distribution_scope(device, config.batch_size):
        network, building = _timed(lambda: network_to_fit(config, len(manifest.class_names)))
        expected += building
        setup = PhaseSetup(network, pixels, few, config, folder)
        batch, step = LARGEST_BATCH, 0.0
        for phase in phases(config):
            if phase.is_probe:
                expected += _expected_of_probe(setup, manifest)
                continue
            timing = _time_phase(setup, phase, config)
            expected += timing.expected(manifest, config, phase)
            batch, step = largest_batch(timing.learner, available_bytes()), timing.step
    return DryRun(expected, batch, device.name, step)


def _expected_of_probe(setup: PhaseSetup, manifest: Manifest) -> float:
    """Seconds until the last layer is found from all pictures: the conversion, their features, the regression."""
    train = setup.manifest.positions("train")
    _, converting = _timed(lambda: setup.features_of(train[:1]))
    _, computing = _timed(lambda: setup.features_of(train))
    _, finding = _timed(lambda: setup.probe(train))
    num_pictures = manifest.count("train") + manifest.count("validation")
    return converting + (computing + finding) / len(train) * num_pictures


@dataclass(frozen=True)
class Timing:
    """Seconds that the parts of a phase took."""

    learner: keras.Model
    preparing: float  # the frozen part converted, and features of the few pictures
    per_prepared: float  # of that, for each picture more
    tracing: float
    step: float
    validated: float  # one picture

    def expected(self, manifest: Manifest, config: TrainingConfig, phase: Phase) -> float:
        train, validation = manifest.count("train"), manifest.count("validation")
        steps = phase.epoch_steps(*(math.ceil(count / config.batch_size) for count in (train, train + validation)))
        prepared = self.per_prepared * (train * config.views + validation)
        validated = len(steps) * validation * self.validated
        return self.preparing + self.tracing + prepared + sum(steps) * self.step + validated


def _time_phase(setup: PhaseSetup, phase: Phase, config: TrainingConfig) -> Timing:
    (learner, batches), preparing = _timed(lambda: setup.prepare(phase))
    train, validation = setup.manifest.positions("train"), setup.manifest.positions("validation")
    order = np.resize(train, STEPS * config.batch_size)
    setup.compile(learner, phase, [STEPS], keras.metrics.CategoricalAccuracy("accuracy"))
    watch = StepWatch()
    learner.fit(batches.of_epoch(0, order), callbacks=[watch], shuffle=False, verbose=0)
    at_rest = batches.at_rest(validation)
    _, first = _timed(lambda: learner.evaluate(at_rest, verbose=0))
    _, validating = _timed(lambda: learner.evaluate(at_rest, verbose=0))
    per_prepared = _seconds_a_feature(setup, phase, train)
    tracing = watch.tracing + max(first - validating, 0.0)
    return Timing(learner, preparing, per_prepared, tracing, watch.step, validating / len(validation))


def _seconds_a_feature(setup: PhaseSetup, phase: Phase, train: Any) -> float:
    """What the features of a picture take where only the head learns, else nothing."""
    if not phase.head_only:
        return 0.0
    block = train[:VALIDATED]
    _, seconds = _timed(lambda: setup.features_of(block))
    return seconds / len(block)


class StepWatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Times the steps of an epoch; the first ones, which trace, apart."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.began = time.monotonic()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.ends.append(time.monotonic())

    @property
    def step(self) -> float:
        """The mean of the timed ones, in seconds."""
        timed = self.ends[UNTIMED_STEPS - 1 :]
        return (timed[-1] - timed[0]) / (len(timed) - 1)

    @property
    def tracing(self) -> float:
        return max(self.ends[UNTIMED_STEPS - 1] - self.began - UNTIMED_STEPS * self.step, 0.0)


def largest_batch(learner: keras.Model, free_bytes: int) -> int:
    """How many pictures a step may have, by the maps that its gradient needs; a power of two, at least 1."""
    maps = sum(_values(layer) for layer in learner._flatten_layers(include_self=False))
    fitting = int(free_bytes * MEMORY_LEFT / (4 * KEPT_TWICE * max(maps, 1)))
    return max(1, min(LARGEST_BATCH, 1 << int(math.log2(max(fitting, 1)))))


def _values(layer: keras.layers.Layer) -> int:
    """Numbers in a layer's output for one picture."""
    if isinstance(layer, keras.Model) or not layer._inbound_nodes:
        return 0
    shapes = [tensor.shape[1:] for tensor in keras.tree.flatten(layer.output)]
    return sum(math.prod(map(int, shape)) for shape in shapes)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.monotonic()
    result = work()
    return result, time.monotonic() - began
