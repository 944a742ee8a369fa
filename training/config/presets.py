"""Presets: how long and how deep a training goes, for people who would rather not choose settings."""

from __future__ import annotations

import math
from typing import Any

from training.config.choices import NETWORKS, PAIRS, PRETRAINED
from training.config.training_config import TrainingConfig
from training.errors import WrongConfig
from training.messages import N_

QUICK, BALANCED, THOROUGH = "quick", "balanced", "thorough"
PRESETS = (QUICK, BALANCED, THOROUGH)

HELP = {
    QUICK: N_("Only the last layer learns, on what a network sees in the pictures that has seen many photos before."),
    BALANCED: N_("First the last layer learns, then the upper part too, on randomly changed pictures."),
    THOROUGH: N_(
        "First the last layer learns, then the upper part too, on randomly changed pictures with more pixels."
    ),
}

# Over the network's own defaults.
_UNEVEN: dict[str, Any] = {"class_weights": "square_root"}  # measured in training/trainer/linear_probe.py
_PROBED: dict[str, Any] = {**_UNEVEN, "linear_probe": True, "fine_tune": "none", "epochs": 1}
_FINE_TUNED: dict[str, Any] = {
    **_UNEVEN,
    "linear_probe": True,
    "fine_tune": "upper",
    "beside_start": True,
    "fine_tune_learning_rate": 5e-4,  # network selection, which sees the pictures, knows better
    "weight_decay": 0.02,
    "label_smoothing": 0.1,
    "augmentation": ("flip", "rotation", "zoom", "brightness", "contrast", "colour"),
    "augmentation_strength": 0.5,
}
_PRETRAINED: dict[str, dict[str, Any]] = {
    QUICK: {**_PROBED, "image_size": 224},
    BALANCED: {**_FINE_TUNED, "image_size": 224, "epochs": 12},
    THOROUGH: {**_FINE_TUNED, "image_size": 240, "epochs": 24, "mixup": 0.2},
}
# A pair is never fine-tuned; it sees pictures as large as one alone, whose features serve both.
_SIDE_BY_SIDE: dict[str, dict[str, Any]] = {
    preset: {**_PROBED, "image_size": settings["image_size"]} for preset, settings in _PRETRAINED.items()
}
_FROM_SCRATCH: dict[str, dict[str, Any]] = {
    "mlp": {"learning_rate": 1e-3, "weight_averaging": 0.98},
    "lenet5": {"learning_rate": 4e-3, "augmentation_strength": 0.8, "weight_averaging": 0.98},
    "cnn": {
        "image_size": 48,
        "filters": (32, 64, 128, 256),
        "convolutions": 2,
        "batch_size": 16,
        "learning_rate": 2e-3,
        "weight_decay": 0.02,
        "label_smoothing": 0.1,
        "dropout": 0.3,
        "initialization": "he_normal",
        "weight_averaging": 0.99,
        "augmentation": ("translation", "rotation", "zoom", "shear", "contrast", "brightness", "colour", "blur"),
    },
    "googlenet": {"image_size": 96, "label_smoothing": 0.1},
}
_EPOCHS_FROM_SCRATCH = {QUICK: 10, BALANCED: 55, THOROUGH: 100}
# How many pictures a network from scratch is shown at most: with more of them it needs fewer epochs.
_PICTURES_SHOWN = {QUICK: 20_000, BALANCED: 80_000, THOROUGH: 140_000}
_FEWEST_EPOCHS = 3
_FINAL_SHARE = 0.25  # of the epochs; the rate has fallen to a seventh of its height by then
_FEW_PICTURES = 500  # with fewer, a pretrained network sees each twice as often
_SMALLEST_SIDE = 32  # three halvings still leave something to see
MIRRORING = frozenset({"flip", "vertical_flip"})  # changes that mirror a picture


def preset_config(preset: str, network: str, *, num_pictures: int = 0, side: int = 0) -> TrainingConfig:
    """The settings of a preset for a network.

    Small simple pictures are never flipped: a sign, a letter, a digit seldom means the same mirrored. What learns from
    scratch is not shown more pixels than the pictures have: enlarged, they only take longer.

    Args:
        num_pictures: to learn from, where they are counted already.
        side: the smaller one of the pictures on the average, in pixels; 0 where it is not known.
    Raises: WrongConfig if there is no such preset or network.
    """
    if preset not in PRESETS:
        raise WrongConfig(
            N_("There is no preset “%(name)s”. There are: %(known)s."), name=preset, known=", ".join(PRESETS)
        )
    if network not in NETWORKS:
        raise WrongConfig(
            N_("There is no network “%(name)s”. There are: %(known)s."), name=network, known=", ".join(NETWORKS)
        )
    if network in PAIRS:
        return TrainingConfig.for_network(network, _SIDE_BY_SIDE[preset])
    if network in PRETRAINED:
        config = TrainingConfig.for_network(network, _PRETRAINED[preset])
        return config if config.learns_only_its_last_layer else _as_long_as(config, num_pictures)
    epochs = _epochs_from_scratch(preset, num_pictures)
    settings = {**_UNEVEN, **_FROM_SCRATCH[network], "epochs": epochs, "final_epochs": final_of(epochs)}
    config = TrainingConfig.for_network(network, settings)
    enough = max(_SMALLEST_SIDE, 8 * math.ceil(side / 8))
    return config.changed({"image_size": min(config.image_size, enough)}) if side else config


def without_mirroring(config: TrainingConfig) -> TrainingConfig:
    """For pictures that show something else when they are flipped."""
    return config.changed({"augmentation": tuple(each for each in config.augmentation if each not in MIRRORING)})


def _as_long_as(config: TrainingConfig, num_pictures: int) -> TrainingConfig:
    """A config that is fine-tuned, twice as long where there are few pictures."""
    epochs = 2 * config.epochs if 0 < num_pictures < _FEW_PICTURES else config.epochs
    return config.changed({"epochs": epochs, "final_epochs": final_of(epochs)})


def final_of(epochs: int) -> int:
    """How many of the epochs learn from the pictures to choose by as well."""
    return round(epochs * _FINAL_SHARE)


def _epochs_from_scratch(preset: str, num_pictures: int) -> int:
    usual = _EPOCHS_FROM_SCRATCH[preset]
    return max(_FEWEST_EPOCHS, min(usual, _PICTURES_SHOWN[preset] // num_pictures)) if num_pictures else usual
