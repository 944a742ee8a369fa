"""What an epoch of a training came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochResult:
    """What one epoch came to; accuracies are shares of 1."""

    number: int  # from 1
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    pictures_per_second: float
    seconds: float
