"""What happens while epochs run: each is reported; the best weights so far and the training's state are kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras

from training.errors import BrokenArtifact
from training.evaluation.epochs import EpochResult
from training.messages import N_
from training.trainer.checkpoints import Arrays, Best, TrainingState

CHECKPOINT_SECONDS = 300  # within an epoch, the most training that a crash may cost


def figure(logs: dict[str, Any] | None, name: str, of: str = "") -> float:
    """A loss or accuracy of the network's own answer, where other heads learn beside it too."""
    known = logs or {}
    own = f"{of}probabilities_{name}"
    return float(known[own if own in known else f"{of}{name}"])


class EpochReporter(keras.callbacks.Callback):
    """Tells `report` what each epoch came to. Pictures a second count training alone, not validation.

    Args:
        carried: validation loss and accuracy of before, where those pictures are learned from by now and say no more.
    """

    def __init__(
        self, report: Callable[[EpochResult], None], pictures: int, carried: tuple[float, float] | None = None
    ) -> None:
        super().__init__()
        self.report = report
        self.pictures = pictures
        self.carried = carried

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.began = self.trained = time.monotonic()
        self.learning_rate = float(self.model.optimizer.learning_rate)  # in force now; a schedule moves on

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.trained = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        val_loss, val_accuracy = self.carried or (figure(logs, "loss", "val_"), figure(logs, "accuracy", "val_"))
        result = EpochResult(
            number=epoch + 1,
            loss=figure(logs, "loss"),
            accuracy=figure(logs, "accuracy"),
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=self.learning_rate,
            pictures_per_second=self.pictures / max(self.trained - self.began, 1e-6),
            seconds=time.monotonic() - self.began,
        )
        self.report(result)


class BestWeights(keras.callbacks.Callback):
    """Keeps a copy of the network's weights at the epoch with the lowest validation loss.

    Where the validation pictures are learned from as well, the last epoch is the one to keep.
    """

    def __init__(self, network: keras.Model, best: Best) -> None:
        super().__init__()
        self.network = network  # the whole network, also where only its head is being fitted
        self.best = best
        self.has_joined = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.has_joined:
            self.best = Best(self.network.get_weights(), self.best.loss, epoch + 1)
        else:
            self.offer(figure(logs, "loss", "val_"), epoch + 1)

    def offer(self, loss: float, epoch: int) -> None:
        """The network as it is now, after an epoch with a validation loss."""
        if loss < self.best.loss:
            self.best = Best(self.network.get_weights(), loss, epoch)

    def restore(self) -> None:
        self.network.set_weights(self.best.weights)


class AveragedWeights(keras.callbacks.Callback):
    """Validates with the optimizer's average of the weights, then lets the weights themselves go on learning.

    It stands after whoever keeps the best weights, and before whoever keeps the training's state.
    """

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.weights = _values(self.model.trainable_variables)
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._put_back()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._put_back()  # Keras ends each `fit` with the average

    def _put_back(self) -> None:
        _assign(self.model.trainable_variables, self.weights)


class Checkpointer(keras.callbacks.Callback):
    """Hands the training's state to `keep` after every epoch, and within one every CHECKPOINT_SECONDS.

    It listens to the beginning of a batch: listening to its end would make Keras wait for the figures of every batch.
    """

    def __init__(
        self,
        keep: Callable[[TrainingState], None],
        network: keras.Model,
        best: BestWeights,
        accuracy: keras.Metric,
        manifest_sha256: str,
    ) -> None:
        super().__init__()
        self.keep = keep
        self.network = network
        self.best = best
        self.accuracy = accuracy
        self.manifest_sha256 = manifest_sha256
        self.kept_at = time.monotonic()
        self.goes_on_from: TrainingState | None = None  # where the coming epoch has begun already
        self.held_out: Arrays = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch, self.first_step = epoch, 0
        if self.goes_on_from:
            _assign(self._metrics, self.goes_on_from.metrics)
            self.first_step, self.goes_on_from = self.goes_on_from.step, None

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if batch and time.monotonic() - self.kept_at >= CHECKPOINT_SECONDS:
            self._keep(self.epoch, self.first_step + batch, _values(self._metrics))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._keep(epoch + 1, 0, [])

    def keep_network(self, epoch: int) -> None:
        """Keep the network after an epoch without an optimizer."""
        self.keep(
            TrainingState(
                epoch=epoch,
                step=0,
                manifest_sha256=self.manifest_sha256,
                weights=self.network.get_weights(),
                optimizer=[],
                seeds=_values(_seeds(self.network)),
                best=self.best.best,
            )
        )
        self.kept_at = time.monotonic()

    @property
    def _metrics(self) -> list[keras.Variable]:
        """Sums and counts behind loss and accuracy; the learner itself lists the latter only after its first batch."""
        return [*self.model.metrics[0].variables, *self.accuracy.variables]

    def _keep(self, epoch: int, step: int, metrics: Arrays) -> None:
        state = TrainingState(
            epoch=epoch,
            step=step,
            manifest_sha256=self.manifest_sha256,
            weights=self.network.get_weights(),
            optimizer=_values(_moments(self.model)),
            seeds=_values(_seeds(self.network)),
            best=self.best.best,
            metrics=metrics,
            auxiliary=_values(_auxiliary(self.model, self.network)),
            held_out=self.held_out,
        )
        self.keep(state)
        self.kept_at = time.monotonic()


def restore_network(network: keras.Model, state: TrainingState) -> None:
    """Give the network the weights and its random layers the chance they had. Raises: BrokenArtifact."""
    _assign(network.weights, state.weights)
    _assign(_seeds(network), state.seeds)


def restore_learner(learner: keras.Model, network: keras.Model, state: TrainingState) -> None:
    """Give what was compiled the steps and moments its optimizer had, and its auxiliary heads their weights.

    Raises: BrokenArtifact.
    """
    _assign(_auxiliary(learner, network), state.auxiliary)
    learner.optimizer.build(learner.trainable_variables)
    _assign(_moments(learner), state.optimizer)


def _moments(learner: keras.Model) -> list[keras.Variable]:
    """The optimizer's variables without the loss scale of mixed precision, which another machine may not have."""
    optimizer = learner.optimizer
    return list(getattr(optimizer, "inner_optimizer", optimizer).variables)


def _auxiliary(learner: keras.Model, network: keras.Model) -> list[keras.Variable]:
    """What the learner's layers have beside the network's, the chance of random ones included."""
    own = {id(variable) for variable in network.variables}
    return [variable for layer in learner.layers for variable in layer.variables if id(variable) not in own]


def _seeds(network: keras.Model) -> list[keras.Variable]:
    return [variable for variable in network.variables if variable.name == "seed_generator_state"]


def _values(variables: list[keras.Variable]) -> Arrays:
    return [variable.numpy() for variable in variables]


def _assign(variables: list[keras.Variable], values: Arrays) -> None:
    if [tuple(each.shape) for each in variables] != [each.shape for each in values]:
        raise BrokenArtifact(N_("The checkpoint belongs to another network. Start the run again from the beginning."))
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
