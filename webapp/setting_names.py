"""Settings, networks and choices of a training run as the pages call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from training.config import ConfigField, TrainingConfig

SETTINGS = {
    "network": _("Network"),
    "pretrained": _("Pretrained on ImageNet"),
    "image_size": _("Image size"),
    "epochs": _("Epochs"),
    "head_epochs": _("Epochs of the last layer alone"),
    "batch_size": _("Batch size"),
    "learning_rate": _("Learning rate"),
    "fine_tune_learning_rate": _("Learning rate of the fine-tuning"),
    "schedule": _("Schedule"),
    "optimizer": _("Optimizer"),
    "activation": _("Activation"),
    "dropout": _("Dropout"),
    "filters": _("Filters"),
    "kernel_size": _("Kernel size"),
    "hidden_units": _("Hidden units"),
    "augmentation": _("Augmentation"),
    "seed": _("Seed"),
    "validation_share": _("Share for validation"),
    "test_share": _("Share for the test"),
}

CHOICES = {
    "flip": _("flip"),
    "rotation": _("rotation"),
    "zoom": _("zoom"),
    "translation": _("translation"),
    "shear": _("shear"),
    "contrast": _("contrast"),
    "invert": _("invert"),
    "cosine": _("cosine"),
    "constant": _("constant"),
    "adam": "Adam",
    "adamw": "AdamW",
    "sgd": "SGD",
    "momentum": _("SGD with momentum"),
    "rmsprop": "RMSprop",
    "relu": "ReLU",
    "leaky_relu": "Leaky ReLU",
    "gelu": "GELU",
    "elu": "ELU",
    "silu": "SiLU",
}


@dataclass(frozen=True)
class Network:
    """A network as the training form offers it."""

    name: str
    title: str
    use: Any  # what it is good for, a lazy translation


NETWORKS = {
    each.name: each
    for each in (
        Network("mobilenetv2", "MobileNetV2", _("Photos, even few of them. Starts from ImageNet.")),
        Network("resnet50", "ResNet50", _("Photos, best on a GPU. Larger, starts from ImageNet.")),
        Network("cnn", "CNN", _("Simple pictures in larger numbers. Starts from nothing.")),
        Network("lenet5", "LeNet-5", _("Handwritten digits and other small drawings.")),
        Network("mlp", "MLP", _("The simplest network, to compare others with.")),
    )
}


def settings_of(network: str) -> list[ConfigField]:
    """The settings that mean something to a network, in order; the network itself is not among them."""
    return [each for each in fields(TrainingConfig) if network in each.metadata["networks"] and each.name != "network"]


def said(config: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Name and value of each setting of a stored config that meant something to its network."""
    network = config["network"]
    pairs = [(SETTINGS[each.name], _said(config.get(each.name, ""))) for each in settings_of(network)]
    return [(SETTINGS["network"], NETWORKS[network].title), *pairs]


def _said(value: Any) -> Any:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list | tuple):
        return pgettext("list", ", ").join(str(CHOICES.get(each, each)) for each in value) or "–"
    return CHOICES.get(value, value)
