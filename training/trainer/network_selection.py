"""Which network suits a recognizer's pictures: candidates tried for a minute on its validation pictures.

What ImageNet has taught is worth most where pictures are photographs of things; signs, digits and letters are learned
better from scratch, from small pictures. Which it is shows in a minute.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from training import networks
from training.config import TrainingConfig
from training.config.presets import preset_config, without_mirroring
from training.config.schedules import Phase
from training.data.images import Pixels, load_pixels
from training.data.manifest import Manifest
from training.data.splitting import Split
from training.data.subsets import subset
from training.errors import WeightsNotFound
from training.messages import N_, Sentence
from training.trainer.backbone_features import frozen_in_openvino
from training.trainer.distribution import distribution_scope, prepare_device
from training.trainer.input_pipeline import shuffled, stacked
from training.trainer.phases import PhaseSetup, start_afresh

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MOST_PICTURES: dict[Split, int] = {"train": 1200, "validation": 400}
FROM_SCRATCH_SECONDS = 30.0  # of learning; reading and tracing come on top
FROM_SCRATCH_EPOCHS = 12  # at most
# What shows in few epochs how well a network could learn: of traffic signs 0.76 of the validation pictures after 12,
# and in the same time 0.27 after 8 with the settings of a long training.
SPRINT: dict[str, Any] = {
    "image_size": 32,
    "augmentation_strength": 0.4,
    "dropout": 0,
    "label_smoothing": 0,
    "weight_averaging": 0,
}
MIRROR_COSTS = 0.03  # of the accuracy, from which on a mirrored picture counts as showing something else
UPSIDE_DOWN_COSTS = 0.05  # likewise; measured: eye grounds 0.04, rubbish 0.02, rice leaves none, cats and dogs 0.3
# How to fine-tune on pictures like those that the pretrained weights have learned from, and on others. Measured, of the
# held-out pictures: cats and dogs 0.76 right as the first says, but at 5e-4, 0.71 as the second; eye grounds 0.85 and
# 0.89. At 2e-4 the validation loss of cats and dogs was lower than at 5e-4 and at 1e-4.
LIKE_IMAGENET = {"fine_tune_learning_rate": 2e-4, "fine_tune_batch_norm": False, "weight_averaging": 0.98}
UNLIKE_IMAGENET = {"fine_tune_learning_rate": 1e-3}
REGULARIZATION = 0.003  # of the logistic regression: strong, as there are more features than pictures

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A network, with the settings it will be trained with if it is chosen."""

    config: TrainingConfig
    accuracy: float  # share of 1 of the validation pictures it got right; NaN where it could not be tried
    image_size: int  # when it was tried


class FrozenAccuracies(NamedTuple):
    """What a logistic regression on frozen features gets right of the validation pictures; NaN without weights."""

    plain: float
    mirrored: float
    upside_down: float

    @property
    def have_no_upright(self) -> bool:
        """Whether the pictures show as much upside down, as few photographs do that ImageNet is made of."""
        return self.plain - self.upside_down <= UPSIDE_DOWN_COSTS


def select_network(
    manifest: Manifest,
    config: TrainingConfig,
    preset: str,
    *,
    cache_folder: Path,
    side: int = 0,
    is_mirror_safe: bool | None = None,
) -> tuple[TrainingConfig, Sentence]:
    """Pick a network and say why: frozen features of MobileNetV2 against a small network from scratch.

    Args:
        config: its seed and precision are kept.
        preset: whose settings the chosen one gets.
        cache_folder: where a conversion may write for a moment.
        side: the smaller one of the pictures on the average, in pixels; 0 where it is not known.
        is_mirror_safe: whether a mirrored picture shows the same; None to see for itself, where it matters.
    Raises: UnreadablePicture if a kept file is damaged.
    """
    start_afresh(config.seed)
    device = prepare_device(config.precision)
    some = subset(manifest, MOST_PICTURES)
    kept = {"seed": config.seed, "precision": config.precision}
    settings = partial(preset_config, preset, num_pictures=manifest.count("train"), side=side)
    pretrained, scratch = (settings(name).changed(kept) for name in ("mobilenetv2", "cnn"))
    with distribution_scope(device, 1):
        accuracies = frozen_accuracies(some, pretrained, cache_folder)
        suited = fine_tuned_as_far_as_fits(as_mirrors_allow(pretrained, is_mirror_safe, accuracies), accuracies)
        frozen = Candidate(suited, accuracies.plain, pretrained.image_size)
        small = Candidate(scratch, scratch_accuracy(some, scratch, cache_folder), SPRINT["image_size"])
    return settle(frozen, small, some.count("validation"))


def settle(pretrained: Candidate, scratch: Candidate, num_pictures: int) -> tuple[TrainingConfig, Sentence]:
    """The better one; at a draw the pretrained one, which fine-tuning is still to improve.

    Args:
        num_pictures: that the accuracies were measured on.
    """
    if math.isnan(pretrained.accuracy):
        template = N_(
            "%(chosen)s was chosen: the weights of %(other)s are not at hand. Tried for a moment, it got "
            "%(percent).1f %% of %(count)d pictures to choose by right."
        )
        chosen, other = scratch, pretrained
    else:
        template = N_(
            "%(chosen)s was chosen: tried on %(count)d pictures to choose by, it got %(percent).1f %% right at "
            "%(size)d pixels, %(other)s %(other_percent).1f %% at %(other_size)d."
        )
        ranked = sorted((pretrained, scratch), key=lambda each: -each.accuracy)  # a draw keeps their order
        chosen, other = ranked
    params = {
        "chosen": chosen.config.network,
        "percent": 100 * chosen.accuracy,
        "size": chosen.image_size,
        "other": other.config.network,
        "other_percent": 0.0 if math.isnan(other.accuracy) else 100 * other.accuracy,
        "other_size": other.image_size,
        "count": num_pictures,
    }
    return chosen.config, {"template": template, "params": params}


def as_mirrors_allow(
    config: TrainingConfig, is_mirror_safe: bool | None, accuracies: FrozenAccuracies
) -> TrainingConfig:
    """A config that flips pictures only where a flipped one shows the same.

    Args:
        is_mirror_safe: what a person said of mirrored pictures; None where nobody did, then the accuracies tell.
        accuracies: of what has learned from pictures that were not flipped.
    """
    is_said = is_mirror_safe is not None
    is_safe = is_mirror_safe if is_said else not accuracies.plain - accuracies.mirrored > MIRROR_COSTS
    if not is_safe:
        return without_mirroring(config)
    if "flip" in config.augmentation and accuracies.have_no_upright:
        return config.changed({"augmentation": ("vertical_flip", *config.augmentation)})
    return config


def fine_tuned_as_far_as_fits(config: TrainingConfig, accuracies: FrozenAccuracies) -> TrainingConfig:
    """A config that moves the weights the further, the less the pictures are like ImageNet's."""
    if not config.is_fine_tuned or config.learns_only_its_last_layer or math.isnan(accuracies.upside_down):
        return config
    return config.changed(UNLIKE_IMAGENET if accuracies.have_no_upright else LIKE_IMAGENET)


def frozen_accuracies(some: Manifest, config: TrainingConfig, folder: Path) -> FrozenAccuracies:
    """Of the validation pictures as they are and flipped."""
    try:
        network = networks.build(config.changed({"augmentation": (), "fine_tune": "none"}), len(some.class_names))
    except WeightsNotFound as error:
        log.warning("%s", error)
        return FrozenAccuracies(math.nan, math.nan, math.nan)
    frozen = frozen_in_openvino(network, config.changed({"fine_tune": "none"}), folder)
    pixels = _pixels(some, config.image_size)
    train, validation, labels = some.positions("train"), some.positions("validation"), some.labels()
    features = frozen.features(pixels)
    head = fitted_head(features[train], labels[train])

    def accuracy(seen: NDArray[np.float32]) -> float:
        return float(head.score(seen, labels[validation]))

    shown = pixels[validation]
    mirrored_features, upside_down_features = (
        frozen.features(np.ascontiguousarray(flipped)) for flipped in (shown[:, :, ::-1], shown[:, ::-1])
    )
    return FrozenAccuracies(accuracy(features[validation]), accuracy(mirrored_features), accuracy(upside_down_features))


def fitted_head(features: NDArray[np.float32], labels: NDArray[np.int32]) -> Pipeline:
    """A logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=REGULARIZATION, max_iter=300)).fit(features, labels)


def scratch_accuracy(some: Manifest, config: TrainingConfig, folder: Path) -> float:
    """Share of the validation pictures that a network gets right after as many epochs as the time allows."""
    from training.trainer.train import network_to_fit

    config = config.changed(SPRINT)
    network = network_to_fit(config, len(some.class_names))
    setup = PhaseSetup(network, _pixels(some, config.image_size), some, config, folder)
    phase = Phase(0, FROM_SCRATCH_EPOCHS, config.learning_rate)
    learner, batches = setup.prepare(phase)
    train = some.positions("train")
    steps = math.ceil(len(train) / config.batch_size)
    setup.compile(learner, phase, [steps] * FROM_SCRATCH_EPOCHS, keras.metrics.CategoricalAccuracy("accuracy"))
    validation = batches.at_rest(some.positions("validation"))
    best, began = 0.0, math.inf
    for epoch in range(FROM_SCRATCH_EPOCHS):
        of_epoch = batches.of_epoch(epoch, shuffled(train, config.seed, epoch))
        learner.fit(of_epoch, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0)
        began = min(began, time.monotonic())  # the first epoch is mostly tracing
        best = max(best, learner.evaluate(validation, return_dict=True, verbose=0)["accuracy"])
        if time.monotonic() - began > FROM_SCRATCH_SECONDS:
            break
    return float(best)


def _pixels(some: Manifest, image_size: int) -> Pixels:
    """(len(entries), image_size, image_size, 3), decoded on all cores."""
    root = Path(some.root)
    return stacked(lambda i: load_pixels(root / some.entries[i].file, image_size), len(some.entries))
