"""The learning rate of every step as plain numbers: the form draws them, and the optimizer reads the very same."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from training.config.training_config import TrainingConfig

WARM_UP_FROM = 0.1  # share of the learning rate that a warm-up begins with


def rates(config: TrainingConfig, steps_per_epoch: int, epochs: int | None = None) -> list[float]:
    """The learning rate of each step of a whole training, its head alone first where it is fine-tuned.

    On a plateau the rate falls by what the validation pictures say; as nobody knows that before, it is drawn flat.

    Args:
        epochs: of the whole training; the config's own where none are given.
    """
    epochs = epochs or config.epochs
    if not config.is_fine_tuned:
        return list(phase_rates(config, config.learning_rate, steps_per_epoch, epochs))
    head_epochs = epochs if config.learns_only_its_last_layer else min(config.head_epochs, epochs)
    head = phase_rates(config, config.learning_rate, steps_per_epoch, head_epochs)
    rest = phase_rates(config, config.fine_tune_learning_rate, steps_per_epoch, epochs - head_epochs)
    return [*head, *rest]


def phase_rates(config: TrainingConfig, base_rate: float, steps_per_epoch: int, epochs: int) -> NDArray[np.float64]:
    """(steps_per_epoch * epochs,) the learning rate of each step of one stretch of epochs with one optimizer.

    Args:
        base_rate: the highest of them.
    """
    steps = np.arange(steps_per_epoch * epochs, dtype=np.float64)
    if config.schedule == "step":
        steps_down = steps // (steps_per_epoch * config.rate_patience)
        return base_rate * config.rate_factor**steps_down
    if config.schedule == "cosine":
        return base_rate * _cosine(steps, config.warm_up)
    return np.full(len(steps), base_rate)


def _cosine(steps: NDArray[np.float64], warm_up: float) -> NDArray[np.float64]:
    """Up in a straight line over the first share of the steps, then down to 0 along half a cosine."""
    warm_up_steps = math.floor(len(steps) * warm_up)
    rising = WARM_UP_FROM + (1 - WARM_UP_FROM) * steps[:warm_up_steps] / max(warm_up_steps, 1)
    falling = steps[warm_up_steps:] - warm_up_steps
    return np.concatenate([rising, (1 + np.cos(math.pi * falling / max(len(falling), 1))) / 2])
