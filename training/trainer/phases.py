"""What learns in each phase of a training, from what, and with which optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training import networks
from training.config import TrainingConfig
from training.config.schedules import Phase
from training.data.manifest import Manifest
from training.trainer.backbone_features import Frozen, Part, frozen_features, frozen_in_keras, frozen_in_openvino
from training.trainer.batches import Batches
from training.trainer.class_weights import class_weights
from training.trainer.feature_file import FeatureFile
from training.trainer.imagenet_bodies import imagenet_body
from training.trainer.input_pipeline import Cache, Features, Pictures, features
from training.trainer.known_features import KnownFeatures
from training.trainer.linear_probe import LinearProbe, find_probe
from training.trainer.loss_and_optimizer import make_loss, make_optimizer, make_schedule
from training.trainer.split_backbone import upper_of

if TYPE_CHECKING:
    import openvino as ov

LONGEST_BATCH_NORM_MOMENTUM = 0.98
MAIN = "probabilities"  # of several heads the one that answers


def start_afresh(seed: int) -> None:
    """Begin all chance at the seed, and forget what the process built before.

    TensorFlow adds up gradients in the order of the layers' names, which Keras numbers through a process: after
    `conv2d_99` comes `conv2d_100`, which sorts before it. Other last digits follow, and after some steps other weights;
    seen with googlenet, whose maps go five ways.
    """
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)


class PhaseSetup:
    """Says for each phase what learns, and from what.

    Args:
        network: without augmentation; the pictures come changed.
        folder: where a conversion may write for a moment.
    """

    def __init__(
        self, network: keras.Model, cache: Cache, manifest: Manifest, config: TrainingConfig, folder: Path
    ) -> None:
        self.network = network
        self.cache = cache
        self.manifest = manifest
        self.config = config
        self.folder = folder
        self.num_classes = len(manifest.class_names)
        self.taken_back: TrainingConfig | None = None  # what answers instead, where fine-tuning brought nothing
        self._own = KnownFeatures(manifest, lambda block: self._seen.at_rest(block), self._handed_on(config))

    def prepare(self, phase: Phase) -> tuple[keras.Model, Batches]:
        """With the backbone frozen its features are computed once, and the head alone learns from them. In fine-tuning
        the part that is left alone is computed outside of what learns, where that is faster."""
        if phase.head_only:
            networks.freeze_backbone(self.network)
            computed = features(self._seen, self.manifest, self.config.views)
            return networks.head_of(self.network), self._batches(computed)
        if self.config.is_fine_tuned:
            lower = self._frozen.lower
            networks.unfreeze_backbone(self.network, self.config)
            if lower:
                return upper_of(self.network, self.config), self._batches(Pictures(self.cache, self.config, lower))
        learner = networks.with_auxiliary_heads(self.network, self.config, self.num_classes)
        return learner, self._batches(Pictures(self.cache, self.config), _heads(learner))

    def compile(self, learner: keras.Model, phase: Phase, epoch_steps: Sequence[int], accuracy: keras.Metric) -> None:
        """Give it the loss of the config, an optimizer with the rates of the phase, and averages as slow as fits.

        Args:
            epoch_steps: of each epoch of the phase.
        """
        follow_batches(learner, epoch_steps[0])
        rate = make_schedule(self.config, phase.learning_rate, epoch_steps)
        optimizer = make_optimizer(self.config, rate, sum(epoch_steps))
        if heads := _heads(learner):
            learner.compile(
                optimizer,
                {name: make_loss(self.config) for name in heads},
                loss_weights={name: 1.0 if name == MAIN else self.config.auxiliary_weight for name in heads},
                metrics={MAIN: [accuracy]},
            )
        else:
            learner.compile(optimizer, make_loss(self.config), metrics=[accuracy])

    def probe(self, positions: NDArray[np.intp]) -> LinearProbe:
        """Find the last layer from some pictures' features, and put it into the network."""
        found = self.found_probe(positions)
        self.network.get_layer("probabilities").set_weights(found.head)
        return found

    def found_probe(self, positions: NDArray[np.intp]) -> LinearProbe:
        """The last layer for the network as it was at the beginning."""
        return self._found(self.features_of(positions), positions)

    def found_probe_of_start(self, positions: NDArray[np.intp], networks_of_start: Sequence[str]) -> LinearProbe:
        """The last layer for the network as it was at the beginning and its companion, in that order or the other."""
        return self._found(self.features_of_start(positions, networks_of_start), positions)

    def _found(self, features: NDArray[np.float32], positions: NDArray[np.intp]) -> LinearProbe:
        labels, groups = self.manifest.labels()[positions], self.manifest.groups()[positions]
        return find_probe(features, labels, groups, self.num_classes, weighing=self.config.class_weights)

    def features_of(self, positions: NDArray[np.intp]) -> NDArray[np.float32]:
        """(len(positions), n) what the head sees of some pictures; computed once for each of them."""
        return self._own.of(positions)

    def features_of_start(self, positions: NDArray[np.intp], networks_of_start: Sequence[str]) -> NDArray[np.float32]:
        """(len(positions), n) the same of each of these networks, one after the other; computed once too.

        Raises: WeightsNotFound.
        """
        known = {name: self._own if name == self.config.network else self._of_companion for name in networks_of_start}
        return np.concatenate([each.of(positions) for each in known.values()], axis=1)

    @property
    def frozen_part(self) -> Part:
        """Pixels -> what the head sees of them, the backbone as it was at the beginning."""
        return self._frozen.features

    def take_back(self, config: TrainingConfig, *, is_known: bool) -> None:
        """What answers is the network with the weights that it had before fine-tuning, or a pair with it.

        Args:
            config: of what answers.
            is_known: whether its frozen parts were converted from those weights, and can be used on.
        """
        self.taken_back = config
        if not is_known:
            self.__dict__.pop("_frozen", None)
            self._own.forget()

    @property
    def converted_body(self) -> ov.Model | None:
        """All of the network but its last layer for OpenVINO, where that is as it was when it was converted."""
        answers = self.taken_back or self.config
        if not (self.taken_back or self.config.learns_only_its_last_layer):
            return None
        if answers.network != self.config.network:
            return imagenet_body(answers.network, answers.image_size, self.folder)
        return self._frozen.body

    def _handed_on(self, config: TrainingConfig) -> dict[str, NDArray[np.float32]]:
        """What the choice of the network has computed already."""
        return FeatureFile.of(config, self.folder).read() if self.config.begins_with_a_probe else {}

    @cached_property
    def _of_companion(self) -> KnownFeatures:
        companion = TrainingConfig.for_network(self.config.companion, {"image_size": self.config.image_size})
        seen = Pictures(self.cache, companion, frozen_features(companion, self.folder))
        return KnownFeatures(self.manifest, seen.at_rest, self._handed_on(companion))

    @property
    def _seen(self) -> Pictures:
        return Pictures(self.cache, self.config, self._frozen.features)

    @cached_property
    def _frozen(self) -> Frozen:
        if tf.config.list_physical_devices("GPU"):
            return frozen_in_keras(self.network)
        return frozen_in_openvino(self.network, self.config, self.folder)

    def _batches(self, source: Pictures | Features, heads: tuple[str, ...] = ()) -> Batches:
        labels, weights = self.manifest.labels(), None
        if self.config.class_weights != "none":
            learned = labels[self.manifest.positions("train")]
            weights = class_weights(self.config.class_weights, learned, self.num_classes)
        return Batches(source, labels, self.num_classes, self.config, weights, heads)


def follow_batches(learner: keras.Model, steps_per_epoch: int) -> None:
    """Let batch normalisation answer with its averages over the last third of an epoch or so.

    Averages over ten batches of 16 jump from epoch to epoch, and the validation accuracy with them (seen on traffic
    signs); over a hundred, those of a short training would still be at its start.
    """
    momentum = min(max(1 - 3 / steps_per_epoch, networks.BATCH_NORM_MOMENTUM), LONGEST_BATCH_NORM_MOMENTUM)
    for layer in learner._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum


def _heads(learner: keras.Model) -> tuple[str, ...]:
    """Names of the outputs where there are auxiliary ones."""
    return tuple(learner.output) if isinstance(learner.output, dict) else ()
