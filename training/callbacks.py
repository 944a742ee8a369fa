"""What happens at the end of an epoch: it is reported, and the best weights so far are kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


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


class EpochReporter(keras.callbacks.Callback):
    """Tells `report` what each epoch came to. Pictures a second count training alone, not validation."""

    def __init__(self, report: Callable[[EpochResult], None], pictures: int) -> None:
        super().__init__()
        self.report = report
        self.pictures = pictures

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.began = self.trained = time.monotonic()
        self.learning_rate = float(self.model.optimizer.learning_rate)  # in force now; a schedule moves on

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.trained = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        result = EpochResult(
            number=epoch + 1,
            loss=values["loss"],
            accuracy=values["accuracy"],
            val_loss=values["val_loss"],
            val_accuracy=values["val_accuracy"],
            learning_rate=self.learning_rate,
            pictures_per_second=self.pictures / max(self.trained - self.began, 1e-6),
            seconds=time.monotonic() - self.began,
        )
        self.report(result)


class BestWeights(keras.callbacks.Callback):
    """Keeps a copy of the network's weights at the epoch with the lowest validation loss."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network  # the whole network, also where only its head is being fitted
        self.loss = math.inf
        self.epoch = 0
        self.weights: list[NDArray[np.float32]] = network.get_weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {})["val_loss"])
        if loss < self.loss:
            self.loss, self.epoch, self.weights = loss, epoch + 1, self.network.get_weights()

    def restore(self) -> None:
        self.network.set_weights(self.weights)
