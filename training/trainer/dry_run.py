"""A dry run: the first steps of a training that has not begun, with a watch, on a few of its pictures.

What is done once is timed as a whole, what is done for every picture or step is timed and multiplied.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from training.config import TrainingConfig
from training.config.choices import PAIRS
from training.config.presets import BALANCED, PRESETS, QUICK
from training.config.schedules import Phase, phases
from training.data.manifest import Manifest
from training.data.subsets import subset
from training.devices import Device
from training.hardware import available_bytes
from training.results.dry_run_result import DryRun
from training.trainer.backbone_features import frozen_features
from training.trainer.distribution import distribution_scope, prepare_device
from training.trainer.input_pipeline import decoded
from training.trainer.linear_probe import LinearProbe
from training.trainer.network_selection import (
    FINE_TUNING_SECONDS,
    FROM_SCRATCH,
    FROM_SCRATCH_SECONDS,
    GOOD_ENOUGH,
    as_it_is,
    flipped_accuracies,
    has_few_like_imagenet,
    names_to_try,
    no_longer_than,
    pictures_tried,
    settings_of,
)
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
ANSWERS = 32  # of each network that is to be tried
SCRATCH_SECONDS = FROM_SCRATCH_SECONDS + 10.0  # reading and tracing, about, beside the learning

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
    device = _begin(config)
    measured = _measure(manifest, config, folder, device)
    return DryRun(measured.expected(manifest, config), measured.largest_batch, device.name, measured.step)


def stand_in_of(manifest: Manifest, config: TrainingConfig, preset: str, side: int = 0) -> TrainingConfig:
    """What is trained with a preset by the first candidate, which stands in for the network that is to be chosen.

    Args:
        config: its seed and precision are kept.
        side: the smaller one of the pictures on the average, in pixels; 0 where it is not known.
    """
    kept = {"seed": config.seed, "precision": config.precision}
    return settings_of(names_to_try(manifest, BALANCED)[0], manifest, preset, side).changed(kept)


def dry_run_of_presets(
    manifest: Manifest, config: TrainingConfig, *, folder: Path, preset: str, side: int = 0
) -> DryRun:
    """The same of a training for which a network is to be chosen first.

    It is measured with the balanced preset; the others differ from it in their epochs and in how large pictures are.

    Args:
        config: the stand-in of the balanced preset.
        preset: which is asked for; all are foretold.
        side: the smaller one of the pictures on the average, in pixels; 0 where it is not known.
    Raises: WeightsNotFound, UnreadablePicture.
    """
    device = _begin(config)
    settings = {each: stand_in_of(manifest, config, each, side) for each in PRESETS}
    measured = _measure(manifest, config, folder, device)
    if measured.probe and measured.probe.resembles_imagenet and has_few_like_imagenet(manifest):
        settings = {each: as_it_is(learned) for each, learned in settings.items()}
    with distribution_scope(device, 1):
        choice = _time_choice(manifest, pictures_needed(manifest, config), config.image_size, folder)
    expected: dict[str, float] = {}
    for each in PRESETS:
        larger = (settings[each].image_size / config.image_size) ** 2
        fitting = _as_long_as_fits(settings[each], each, larger * measured.step * _num_steps(manifest, config)[0])
        seconds_of_choice = measured.expected_of_choice(manifest, each, choice, larger)
        expected[each] = measured.expected(manifest, fitting, larger) + seconds_of_choice
        if fitting.tunes_its_backbone:  # often a companion is to see all pictures
            num_left = len(manifest.entries) - len(pictures_tried(manifest, each).entries)
            expected[each] += larger * max(choice.values(), default=0.0) * num_left
    return DryRun(expected[preset], measured.largest_batch, device.name, measured.step, expected)


def _begin(config: TrainingConfig) -> Device:
    start_afresh(config.seed)
    return prepare_device(config.precision)


def _as_long_as_fits(config: TrainingConfig, preset: str, an_epoch: float) -> TrainingConfig:
    """As many epochs as the choice of a network leaves to what it has chosen."""
    limit = FINE_TUNING_SECONDS.get(preset)
    return no_longer_than(limit, config, an_epoch) if limit and config.tunes_its_backbone else config


def _num_steps(manifest: Manifest, config: TrainingConfig) -> tuple[int, int]:
    """Of an epoch without and with the validation pictures."""
    train, validation = manifest.count("train"), manifest.count("validation")
    return math.ceil(train / config.batch_size), math.ceil((train + validation) / config.batch_size)


@dataclass(frozen=True)
class Measured:
    """Seconds that the parts of a training took on a few pictures."""

    reading: float  # a picture
    building: float
    probe: ProbeTiming | None
    phases: dict[int, Timing]  # those that learn step by step, by their place among all
    largest_batch: int

    @property
    def step(self) -> float:
        return next(reversed(self.phases.values())).step if self.phases else 0.0

    def expected(self, manifest: Manifest, config: TrainingConfig, larger: float = 1.0) -> float:
        """From Start to the version.

        Args:
            config: of the same phases.
            larger: how many times as many pixels a picture has as when this was measured.
        """
        expected = START_SECONDS + END_SECONDS + self.building + self.reading * len(manifest.entries)
        for number, phase in enumerate(phases(config)):
            if not phase.is_probe:
                expected += self.phases[number].expected(manifest, config, phase, larger)
            elif self.probe:
                expected += self.probe.expected(manifest, larger)
        return expected

    def expected_of_choice(
        self, manifest: Manifest, preset: str, answers: dict[str, float], larger: float = 1.0
    ) -> float:
        """Until all candidates have been tried; what the chosen one has computed is not computed again."""
        if not self.probe:  # nothing else is at hand
            return SCRATCH_SECONDS
        num_tried, expected = len(pictures_tried(manifest, preset).entries), 0.0
        for name in names_to_try(manifest, preset):
            if name == FROM_SCRATCH:
                is_left_out = preset == QUICK and self.probe.accuracy >= GOOD_ENOUGH
                expected += 0.0 if is_left_out else SCRATCH_SECONDS
            elif name in PAIRS:
                expected += 2 * self.probe.finding * num_tried
            else:
                expected += (self.reading + self.probe.finding + larger * answers[name]) * num_tried
        return expected - larger * self.probe.computing * num_tried


def _measure(manifest: Manifest, config: TrainingConfig, folder: Path, device: Device) -> Measured:
    few = pictures_needed(manifest, config)
    pixels, reading = _timed(lambda: decoded(few, np.arange(len(few.entries)), config.image_size))
    with distribution_scope(device, config.batch_size):
        network, building = _timed(lambda: network_to_fit(config, len(manifest.class_names)))
        setup = PhaseSetup(network, pixels, few, config, folder)
        probe, timings, batch = None, {}, LARGEST_BATCH
        for number, phase in enumerate(phases(config)):
            if phase.is_probe:
                probe = _time_probe(setup)
            else:
                timings[number] = _time_phase(setup, phase, config)
                batch = largest_batch(timings[number].learner, available_bytes())
    return Measured(reading / len(few.entries), building, probe, timings, batch)


def _time_choice(manifest: Manifest, few: Manifest, image_size: int, folder: Path) -> dict[str, float]:
    """What the features of a picture take on all cores, by the candidates that see it alone."""
    pixels = decoded(few, few.positions("train")[:ANSWERS], image_size)
    found: dict[str, float] = {}
    for name in names_to_try(manifest, BALANCED):
        if name != FROM_SCRATCH and name not in PAIRS:
            part = frozen_features(TrainingConfig.for_network(name, {"image_size": image_size}), folder)
            part(pixels[:1])
            _, seconds = _timed(partial(part, pixels))
            found[name] = seconds / len(pixels)
    return found


@dataclass(frozen=True)
class ProbeTiming:
    """Seconds until a last layer was found from a few pictures, and how many of them it then gets right."""

    converting: float
    computing: float  # the features of a picture
    finding: float  # the regressions, for each picture
    accuracy: float
    resembles_imagenet: bool  # the pictures are like those that the pretrained weights have learned from

    def expected(self, manifest: Manifest, larger: float = 1.0) -> float:
        num_pictures = manifest.count("train") + manifest.count("validation")
        answered = larger * self.computing * manifest.count("test")
        return self.converting + (larger * self.computing + self.finding) * num_pictures + answered


def _time_probe(setup: PhaseSetup) -> ProbeTiming:
    train = setup.manifest.positions("train")
    _, converting = _timed(lambda: setup.features_of(train[:1]))
    _, computing = _timed(lambda: setup.features_of(train))
    probe, finding = _timed(lambda: setup.probe(train))
    accuracy = float((probe.held_out.argmax(axis=1) == setup.manifest.labels()[train]).mean())
    resembles = _resembles_imagenet(setup, probe)
    return ProbeTiming(converting, computing / len(train), finding / len(train), accuracy, resembles)


def _resembles_imagenet(setup: PhaseSetup, probe: LinearProbe) -> bool:
    """Whether flipping the few validation pictures costs as much as of ImageNet's own."""
    validation = setup.manifest.positions("validation")
    if not len(validation):
        return False
    pixels, seen = setup.cache[validation], setup.features_of(validation)
    accuracies = flipped_accuracies(probe, setup.frozen_part, pixels, seen, setup.manifest.labels()[validation])
    return not accuracies.have_no_upright


@dataclass(frozen=True)
class Timing:
    """Seconds that the parts of a phase took."""

    learner: keras.Model
    preparing: float  # the frozen part converted, and features of the few pictures
    per_prepared: float  # of that, for each picture more
    tracing: float
    step: float
    validated: float  # one picture

    def expected(self, manifest: Manifest, config: TrainingConfig, phase: Phase, larger: float = 1.0) -> float:
        train, validation = manifest.count("train"), manifest.count("validation")
        steps = phase.epoch_steps(*_num_steps(manifest, config))
        prepared = self.per_prepared * (train * config.views + validation)
        validated = len(steps) * validation * self.validated
        return self.preparing + self.tracing + larger * (prepared + sum(steps) * self.step + validated)


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
