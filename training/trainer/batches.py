"""The batches of a training: what the network is shown in each step, and what it should say to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.config import TrainingConfig
from training.trainer.input_pipeline import Features, Pictures

MIXUP = 1  # sets its chance apart from that of the augmentation


Shares: TypeAlias = NDArray[np.float32]  # (batch, num_classes), of each picture's classes, together 1


@dataclass(frozen=True)
class Batches:
    """The batches of an epoch: inputs, shares of the classes, and where classes weigh differently what each counts."""

    source: Pictures | Features
    labels: NDArray[np.int32]  # (len(entries),)
    num_classes: int
    config: TrainingConfig
    weights: NDArray[np.float32] | None = None  # (num_classes,)
    heads: tuple[str, ...] = ()  # outputs that are all asked for the class, where there are several

    def of_epoch(self, epoch: int, order: NDArray[np.intp], first_step: int = 0) -> tf.data.Dataset:
        """The batches from one step on; what is random in them depends on seed, epoch and step alone."""
        size = self.config.batch_size

        def read(step: int) -> tuple[NDArray[Any], ...]:
            wanted = order[step * size : (step + 1) * size]
            return self._batch(self.source.in_epoch(epoch, wanted), wanted, (epoch, int(step)))

        return self._for_heads(_in_order(read, range(first_step, math.ceil(len(order) / size))))

    def at_rest(self, positions: NDArray[np.intp]) -> tf.data.Dataset:
        """Pictures as they are, for validation."""
        size = self.config.batch_size

        def read(step: int) -> tuple[NDArray[Any], ...]:
            wanted = positions[step * size : (step + 1) * size]
            return self.source.at_rest(wanted), self._shares(wanted)

        return self._for_heads(_in_order(read, range(math.ceil(len(positions) / size))))

    def _for_heads(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        if not self.heads:
            return batches
        return batches.map(lambda inputs, *rest: (inputs, *(dict.fromkeys(self.heads, each) for each in rest)))

    def _batch(self, inputs: NDArray[Any], wanted: NDArray[np.intp], key: tuple[int, int]) -> tuple[NDArray[Any], ...]:
        shares = self._shares(wanted)
        weights = () if self.weights is None else (self.weights[self.labels[wanted]],)
        if not self.config.mixup:
            return inputs, shares, *weights
        rng = np.random.default_rng((self.config.seed, *key, MIXUP))
        return *blended(inputs, shares, self.config.mixup, rng), *weights

    def _shares(self, wanted: NDArray[np.intp]) -> Shares:
        """All of a picture is of its one class."""
        return np.eye(self.num_classes, dtype=np.float32)[self.labels[wanted]]


def blended(
    inputs: NDArray[Any], shares: Shares, alpha: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Shares]:
    """mixup (Zhang et al., 2018): each picture and another one of the batch, and their classes in the same shares.

    Returns: (batch, …) inputs and the shares of their classes.
    """
    share = float(rng.beta(alpha, alpha))
    share = max(share, 1 - share)  # the picture itself prevails, so its class is the one that is counted as right
    other = rng.permutation(len(inputs))
    inputs = inputs.astype(np.float32)
    return _mixed(inputs, inputs[other], share), _mixed(shares, shares[other], share)


def _mixed(ones: NDArray[np.float32], others: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    return np.float32(share) * ones + np.float32(1 - share) * others


def _in_order(read: Callable[[int], tuple[NDArray[Any], ...]], steps: range) -> tf.data.Dataset:
    """What is read for each step, two steps ahead of whoever asks."""
    sample = read(steps.start)
    at_hand = [sample]

    def read_once(step: int) -> tuple[NDArray[Any], ...]:
        return at_hand.pop() if step == steps.start and at_hand else read(int(step))

    def read_batch(step: tf.Tensor) -> tuple[tf.Tensor, ...]:
        values = tf.numpy_function(read_once, [step], [each.dtype for each in sample])
        return tuple(tf.ensure_shape(v, (None, *s.shape[1:])) for v, s in zip(values, sample, strict=True))

    return tf.data.Dataset.range(steps.start, steps.stop).map(read_batch, num_parallel_calls=2).prefetch(2)
