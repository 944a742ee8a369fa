"""The learning rate of every step as plain numbers: the form draws them, and the optimizer reads the very same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.config.training_config import TrainingConfig

WARM_UP_FROM = 0.1  # share of the learning rate that a warm-up begins with


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs with one optimizer, on the whole network or on its head alone."""

    first: int  # number of its first epoch, from 0
    last: int  # one past its last
    learning_rate: float  # the highest; 0 where nothing is learned step by step
    head_only: bool = False
    is_probe: bool = False  # the head is found at once, which counts as one epoch
    num_final: int = 0  # of its last epochs, in which the validation pictures are learned from as well

    @property
    def joined(self) -> int:
        """The epoch from which all pictures are learned from but those of the test."""
        return max(self.first, self.last - self.num_final)

    def epoch_steps(self, steps: int, final_steps: int) -> list[int]:
        """The steps of each epoch, by those of an epoch without and with the validation pictures."""
        return [final_steps if epoch >= self.joined else steps for epoch in range(self.first, self.last)]


def phases(config: TrainingConfig, epochs: int | None = None) -> list[Phase]:
    """The stretches of a training, those without epochs left out.

    Args:
        epochs: of the whole training; the config's own where none are given.
    """
    epochs = epochs or config.epochs
    if config.begins_with_a_probe:
        probe = Phase(0, 1, 0.0, head_only=True, is_probe=True)
        if config.learns_only_its_last_layer or epochs == 1:
            return [probe]
        return [probe, _last_phase(config, 1, epochs, config.fine_tune_learning_rate)]
    if config.learns_only_its_last_layer:
        return [replace(_last_phase(config, 0, epochs, config.learning_rate), head_only=True)]
    if not config.is_fine_tuned:
        return [_last_phase(config, 0, epochs, config.learning_rate)]
    head_epochs = min(config.head_epochs, epochs)
    head = Phase(0, head_epochs, config.learning_rate, head_only=True)
    if head_epochs == epochs:
        return [head]
    return [*([head] if head_epochs else []), _last_phase(config, head_epochs, epochs, config.fine_tune_learning_rate)]


def _last_phase(config: TrainingConfig, first: int, last: int, rate: float) -> Phase:
    """With as many final epochs as are wanted, and as leave one to choose by."""
    return Phase(first, last, rate, num_final=min(config.final_epochs, last - first - 1))


def rates(
    config: TrainingConfig, steps_per_epoch: int, epochs: int | None = None, final_steps: int | None = None
) -> list[float]:
    """The learning rate of each step of a whole training, its head alone first where it is fine-tuned.

    On a plateau the rate falls by what the validation pictures say; as nobody knows that before, it is drawn flat.

    Args:
        epochs: of the whole training; the config's own where none are given.
        final_steps: of an epoch that learns from the validation pictures as well; as many as the others where it is
            not known.
    """
    return [
        rate
        for phase in phases(config, epochs)
        for rate in phase_rates(
            config, phase.learning_rate, phase.epoch_steps(steps_per_epoch, final_steps or steps_per_epoch)
        )
    ]


def phase_rates(config: TrainingConfig, base_rate: float, epoch_steps: Sequence[int]) -> NDArray[np.float64]:
    """The learning rate of each step of one stretch of epochs with one optimizer, (sum(epoch_steps),).

    Args:
        base_rate: the highest of them.
        epoch_steps: the steps of each epoch.
    """
    if config.schedule == "step":
        epochs = np.repeat(np.arange(len(epoch_steps)), epoch_steps)
        return np.asarray(base_rate * config.rate_factor ** (epochs // config.rate_patience))
    num_steps = sum(epoch_steps)
    if config.schedule == "cosine":
        return base_rate * _cosine(np.arange(num_steps, dtype=np.float64), config.warm_up)
    return np.full(num_steps, base_rate)


def _cosine(steps: NDArray[np.float64], warm_up: float) -> NDArray[np.float64]:
    """Up in a straight line over the first share of the steps, then down to 0 along half a cosine."""
    warm_up_steps = math.floor(len(steps) * warm_up)
    rising = WARM_UP_FROM + (1 - WARM_UP_FROM) * steps[:warm_up_steps] / max(warm_up_steps, 1)
    falling = steps[warm_up_steps:] - warm_up_steps
    return np.concatenate([rising, (1 + np.cos(math.pi * falling / max(len(falling), 1))) / 2])
