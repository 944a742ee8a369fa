"""The epochs of a training: the best one is kept, and the last ones learn from all pictures but those of the test."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training import networks
from training.config import TrainingConfig
from training.config.choices import PAIRS, companions_of
from training.config.schedules import Phase, phases
from training.evaluation.epochs import EpochResult
from training.evaluation.predictions import HeldOut
from training.results.watched_picture import WatchedPicture
from training.trainer.batches import Batches
from training.trainer.blending import best_share, blended
from training.trainer.callbacks import (
    AveragedWeights,
    BestWeights,
    Checkpointer,
    EpochReporter,
    restore_learner,
    restore_network,
)
from training.trainer.checkpoints import Best, TrainingState, write_checkpoint
from training.trainer.imagenet_bodies import knows
from training.trainer.input_pipeline import shuffled
from training.trainer.linear_probe import LinearProbe
from training.trainer.loss_and_optimizer import make_loss
from training.trainer.phases import MAIN, PhaseSetup
from training.trainer.watched import Watched, WatchedCallback

log = logging.getLogger(__name__)

AFTER_PROBE = 1  # epochs done when the last layer has been found at once


class EpochReport(Protocol):
    """Where a training tells what its epochs come to. A method may raise to end it."""

    def epoch(self, result: EpochResult) -> None: ...

    def answered(self, epoch: int, pictures: list[WatchedPicture]) -> None:
        """What it says after so many epochs of some pictures that it does not learn from."""

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        """Takes over a finished file with the state after whole epochs and some batches of the next."""


def fit(
    setup: PhaseSetup, report: EpochReport, *, begun: TrainingState | None = None, watched: Sequence[str] = ()
) -> Fitted:
    """Run all epochs that are not done; the network ends with the weights of the best one, or of the final ones.

    The best one has the lowest validation loss. Fine-tuning that began with a linear probe and is no better than it is
    taken back; the probe is found anew then, from all pictures but those of the test. Where it is better it answers
    alone or together with its start.

    Args:
        begun: the state to go on from; none to start with the network as it is.
        watched: checksums of the pictures that an attempt before has shown as it learned; none to pick some.
    """
    return Fitting(setup, report, begun, watched).run()


@dataclass(frozen=True)
class Fitted:
    """What came of a training."""

    network: keras.Model
    config: TrainingConfig  # that builds such a network
    held_out: HeldOut | None  # answers to pictures that it learned from later; none where it never did


class Fitting:
    """One training on its way."""

    def __init__(
        self, setup: PhaseSetup, report: EpochReport, begun: TrainingState | None, watched: Sequence[str]
    ) -> None:
        self.setup, self.report, self.begun = setup, report, begun
        self.network, self.manifest, self.config = setup.network, setup.manifest, setup.config
        if begun:
            restore_network(self.network, begun)
        self.done, self.step = (begun.epoch, begun.step) if begun else (0, 0)
        self.best = BestWeights(self.network, begun.best if begun else Best(self.network.get_weights()))
        self.accuracy = keras.metrics.CategoricalAccuracy("accuracy")
        self.checkpointer = Checkpointer(self._keep, self.network, self.best, self.accuracy, self.manifest.sha256)
        self.checkpointer.held_out = begun.held_out if begun else []
        self.last_probe: LinearProbe | None = None
        self.watched = Watched(self.manifest, watched, report.answered)
        self.labels = self.manifest.labels()
        self.train = self.manifest.positions("train")
        self.validation = self.manifest.positions("validation")
        self.all = np.sort(np.concatenate([self.train, self.validation]))

    def run(self) -> Fitted:
        for phase in phases(self.config):
            if self.done >= phase.last:
                continue
            if phase.is_probe:
                self._probe()
            else:
                self._learn(phase)
        self.best.restore()
        log.info(
            "Epoch %d is kept, with a loss of %.4f on pictures to choose by",
            self.best.best.epoch,
            self.best.best.loss,
        )
        share = self._share()
        if math.isinf(share):
            return self._as_it_was()
        if share:
            return self._beside_start(share)
        held_out = self.checkpointer.held_out
        return self._alone(HeldOut(self.labels[self.validation], held_out[0]) if held_out else None)

    def _alone(self, held_out: HeldOut | None) -> Fitted:
        return Fitted(self.network, replace(self.config, beside_start=False, companion="none"), held_out)

    def _share(self) -> float:
        """What its start counts beside the fine-tuned network: infinite where it is better alone, 0 where it is not."""
        if self.is_probe_best:
            return math.inf
        if not (self.config.begins_with_a_probe and self.config.stands_beside_its_start and knows(self.config)):
            return 0.0
        if not self.checkpointer.held_out:
            learner, batches = self.setup.prepare(phases(self.config)[-1])
            self.checkpointer.held_out = [self._answers(learner, batches.at_rest(self.validation))]
        tuned, start = self.checkpointer.held_out[0], self._answers_of_start()
        share = best_share(self.labels[self.validation], tuned, start)
        log.info("Beside its start, which counts %g times as much: the best on pictures to choose by", share)
        self.checkpointer.held_out = [blended(tuned, start, share).astype(np.float32)]
        return share

    def _answers_of_start(self) -> NDArray[np.float64]:
        """To the validation pictures, before it learned from them."""
        names = self.config.networks_of_start
        probe = self.last_probe if len(names) == 1 else None
        probe = probe or self.setup.found_probe_of_start(self.train, names)
        return probe.answers(self.setup.features_of_start(self.validation, names))

    def _beside_start(self, share: float) -> Fitted:
        config = replace(self.config, augmentation=())
        whole = networks.build(config, self.setup.num_classes)
        start = self.setup.found_probe_of_start(self.all, self.config.networks_of_start)
        networks.join(whole, self.network, start.head, share)
        return Fitted(whole, self.config, HeldOut(self.labels[self.validation], self.checkpointer.held_out[0]))

    @property
    def is_probe_best(self) -> bool:
        """Nothing that was learned step by step lowered the loss that the linear probe came to."""
        return self.config.begins_with_a_probe and self.best.best.epoch <= AFTER_PROBE

    def _probe(self) -> None:
        """Find the last layer and report it as an epoch; judged by k-fold where nothing else is to follow."""
        began = time.monotonic()
        if self.config.learns_only_its_last_layer:
            self.last_probe = probe = self.setup.probe(self.all)
            learned, chosen_by, answers = self.all, self.all, probe.held_out
        else:
            self.last_probe = probe = self.setup.probe(self.train)
            learned, chosen_by = self.train, self.validation
            answers = probe.answers(self.setup.features_of(chosen_by))
            # here already, so that a companion without weights is missed before hours were spent
            self.setup.features_of_start(self.all, self.config.networks_of_start)
        loss, accuracy = self._figures(probe.answers(self.setup.features_of(learned)), learned)
        val_loss, val_accuracy = self._figures(answers, chosen_by)
        seconds = time.monotonic() - began
        rate = len(learned) / max(seconds, 1e-6)
        self.best.offer(val_loss, AFTER_PROBE)
        self.report.epoch(EpochResult(AFTER_PROBE, loss, accuracy, val_loss, val_accuracy, 0.0, rate, seconds))
        self.watched.hear(AFTER_PROBE, chosen_by, answers)
        self.checkpointer.keep_network(AFTER_PROBE)

    def _as_it_was(self) -> Fitted:
        """With ImageNet's weights, and a last layer found from all pictures but those of the test."""
        if self.config.learns_only_its_last_layer:
            return self._alone(self._in_folds(self.last_probe or self.setup.probe(self.all)))
        log.info("Fine-tuning brought nothing on pictures to choose by: the network stays as ImageNet taught it")
        start = start_of(self.config)
        if start.network != self.config.network or not self.is_probe_best:
            self.network = self.setup.network = networks.build(replace(start, augmentation=()), self.setup.num_classes)
        self.setup.take_back(start, is_known=self.begun is None)
        probe = self.setup.found_probe_of_start(self.all, PAIRS.get(start.network, (start.network,)))
        self.network.get_layer("probabilities").set_weights(probe.head)
        return Fitted(self.network, start, self._in_folds(probe))

    def _in_folds(self, probe: LinearProbe) -> HeldOut:
        return HeldOut(self.labels[self.all], probe.held_out.astype(np.float32))

    def _learn(self, phase: Phase) -> None:
        learner, batches = self.setup.prepare(phase)
        self.setup.compile(
            learner, phase, phase.epoch_steps(*map(self._num_steps, (self.train, self.all))), self.accuracy
        )
        if self.begun and (phase.first, 0) < (self.done, self.step):
            restore_learner(learner, self.network, self.begun)
        at_rest = batches.at_rest(self.validation)
        asked = self.watched.of(self.validation)
        watching = WatchedCallback(self.watched, asked, batches.source.at_rest(asked), MAIN)
        for epoch in range(max(phase.first, self.done), phase.last):
            has_joined = epoch >= phase.joined
            stalled = epoch - max(phase.first, self.best.best.epoch)
            if has_joined and self.is_probe_best:
                break
            if not has_joined and _has_ended_early(self.config, phase, stalled):
                continue
            if has_joined and not self.checkpointer.held_out:
                self.checkpointer.held_out = [self._answers(learner, at_rest)]
            self.best.has_joined = has_joined
            self._epoch(learner, batches, at_rest, epoch, stalled, [] if has_joined else [watching])
            if _has_ended_early(self.config, phase, epoch + 1 - max(phase.first, self.best.best.epoch)):
                log.info("No lower loss on pictures to choose by for %d epochs: enough", self.config.early_stopping)

    def _epoch(
        self,
        learner: keras.Model,
        batches: Batches,
        at_rest: tf.data.Dataset,
        epoch: int,
        stalled: int,
        watching: list[WatchedCallback],
    ) -> None:
        goes_on = self.begun if self.begun and self.step and epoch == self.done else None
        if not goes_on:
            _lower_rate_on_plateau(learner, self.config, stalled)
        order = _evenly_shared(shuffled(self.all if self.best.has_joined else self.train, self.config.seed, epoch))
        self.checkpointer.goes_on_from = goes_on
        num_left = len(order) - (self.step * self.config.batch_size if goes_on else 0)
        carried = self._figures(self.checkpointer.held_out[0], self.validation) if self.best.has_joined else None
        learner.fit(
            batches.of_epoch(epoch, order, self.step if goes_on else 0),
            validation_data=at_rest,
            initial_epoch=epoch,
            epochs=epoch + 1,
            callbacks=[
                EpochReporter(self.report.epoch, num_left, carried),
                self.best,
                *watching,
                *([AveragedWeights()] if self.config.weight_averaging else []),
                self.checkpointer,
            ],
            shuffle=False,  # the batches come shuffled
            verbose=0,
        )

    def _answers(self, learner: keras.Model, at_rest: tf.data.Dataset) -> NDArray[np.float32]:
        """(n, num_classes) of the best epoch so far."""
        weights = self.network.get_weights()
        self.best.restore()
        answers = learner.predict(at_rest, verbose=0)
        self.network.set_weights(weights)
        return np.asarray(answers[MAIN] if isinstance(answers, dict) else answers, np.float32)

    def _figures(self, answers: NDArray[np.floating], positions: NDArray[np.intp]) -> tuple[float, float]:
        """The loss and the accuracy of answers to some pictures."""
        labels = self.labels[positions]
        shares = np.eye(self.setup.num_classes, dtype=np.float32)[labels]
        loss = make_loss(self.config)(shares, answers.astype(np.float32))
        return float(loss), float((answers.argmax(axis=1) == labels).mean())

    def _num_steps(self, positions: NDArray[np.intp]) -> int:
        return math.ceil(len(_evenly_shared(positions)) / self.config.batch_size)

    def _keep(self, state: TrainingState) -> None:
        path = self.setup.folder / f"checkpoint-{state.epoch}-{state.step}.npz"
        write_checkpoint(path, state)
        self.report.checkpoint(path, state.epoch, state.step)


def start_of(config: TrainingConfig) -> TrainingConfig:
    """What a network was before its fine-tuning: itself, or with its companion the pair of both."""
    alone = replace(config, beside_start=False, companion="none")
    if not config.has_companion:
        return alone
    return replace(alone, network=companions_of(config.network)[config.companion], fine_tune="none")


def _evenly_shared(positions: NDArray[np.intp]) -> NDArray[np.intp]:
    """As many positions as divide among the devices: none may be left with an empty batch."""
    return positions[: len(positions) - len(positions) % tf.distribute.get_strategy().num_replicas_in_sync]


def _has_ended_early(config: TrainingConfig, phase: Phase, stalled: int) -> bool:
    return bool(config.early_stopping) and phase.last == config.epochs and stalled >= config.early_stopping


def _lower_rate_on_plateau(learner: keras.Model, config: TrainingConfig, stalled: int) -> None:
    """Each time that `rate_patience` epochs have brought no gain."""
    if config.schedule == "plateau" and stalled and stalled % config.rate_patience == 0:
        rate = learner.optimizer.learning_rate
        rate.assign(rate * config.rate_factor)
