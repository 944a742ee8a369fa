"""Settings, networks and choices of a training run as the pages call them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy

from training.config import TrainingConfig
from training.config.choices import APPLICATION_TITLES, COMMON_APPLICATIONS
from training.config.values import ConfigField, is_relevant

SETTINGS = {
    "network": _("Network"),
    "pretrained": _("Pretrained on ImageNet"),
    "image_size": _("Image size"),
    "epochs": _("Epochs"),
    "head_epochs": _("Epochs of the last layer alone"),
    "final_epochs": _("Learning from all pictures, at the end"),
    "linear_probe": _("Last layer found at once"),
    "beside_start": _("Answers together with its start"),
    "companion": _("A second network beside it"),
    "batch_size": _("Batch size"),
    "learning_rate": _("Learning rate"),
    "fine_tune_learning_rate": _("Learning rate of the fine-tuning"),
    "fine_tune_batch_norm": _("Batch normalisation learns in fine-tuning"),
    "schedule": _("Schedule"),
    "optimizer": _("Optimizer"),
    "activation": _("Activation"),
    "dropout": _("Dropout"),
    "filters": _("Filters"),
    "kernel_size": _("Kernel size"),
    "hidden_units": _("Hidden units"),
    "augmentation": _("Augmentation"),
    "seed": _("Seed"),
    "fine_tune": _("Fine-tuning"),
    "views": _("Views of each picture"),
    "warm_up": _("Warm-up"),
    "rate_factor": _("Factor of the learning rate"),
    "rate_patience": _("Patience of the learning rate"),
    "momentum": _("Momentum"),
    "weight_decay": _("Weight decay"),
    "weight_averaging": _("Averaging of the weights"),
    "loss": _("Loss"),
    "label_smoothing": _("Label smoothing"),
    "class_weights": _("Class weights"),
    "early_stopping": _("Early stopping"),
    "initialization": _("Initialisation"),
    "batch_normalization": _("Batch normalisation"),
    "convolutions": _("Convolutions in a block"),
    "stride": _("Stride"),
    "padding": _("Padding"),
    "pooling": _("Pooling"),
    "auxiliary_weight": _("Weight of the auxiliary heads"),
    "augmentation_strength": _("Strength of the augmentation"),
    "mixup": _("Mixup"),
    "precision": pgettext_lazy("arithmetic", "Precision"),
}

CHOICES = {
    "none": _("none"),
    # augmentation
    "flip": _("flip"),
    "vertical_flip": _("vertical flip"),
    "rotation": _("rotation"),
    "zoom": _("zoom"),
    "translation": _("translation"),
    "shear": _("shear"),
    "contrast": _("contrast"),
    "brightness": _("brightness"),
    "colour": _("colour"),
    "blur": _("blur"),
    "erasing": _("erasing"),
    "invert": _("invert"),
    # schedules
    "constant": _("constant"),
    "step": _("steps down"),
    "cosine": _("cosine"),
    "plateau": _("down on a plateau"),
    # optimizers
    "sgd": "SGD",
    "momentum": _("SGD with momentum"),
    "nesterov": _("SGD with Nesterov momentum"),
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "nadam": "Nadam",
    "adamw": "AdamW",
    # losses, class weights, fine-tunings
    "cross_entropy": _("cross-entropy"),
    "mean_squared_error": _("mean squared error"),
    "balanced": _("balanced"),
    "square_root": _("square root"),
    "upper": _("the upper part"),
    "whole": _("the whole network"),
    # activations
    "relu": "ReLU",
    "leaky_relu": "Leaky ReLU",
    "gelu": "GELU",
    "elu": "ELU",
    "selu": "SELU",
    "silu": "SiLU",
    "tanh": "tanh",
    "sigmoid": _("sigmoid"),
    # initialisations
    "glorot_uniform": _("Glorot (Xavier), uniform"),
    "he_normal": _("He, normal"),
    "lecun_normal": _("LeCun, normal"),
    "random_normal": _("normal, 0.05 wide"),
    "zeros": _("zeros"),
    # padding and pooling
    "same": _("same: with a border"),
    "valid": _("valid: without"),
    "max": _("maximum"),
    "average": _("average"),
    # precision
    "auto": _("automatic"),
    "float32": _("32 bits"),
    "mixed": _("mixed, 16 and 32 bits"),
}

# Those of settings and choices that a sentence may have in it.
_WORDS = {**CHOICES, **SETTINGS}
_UNMISTAKABLE = "|".join(["pretrained", *(name for name in _WORDS if "_" in name)])
_NAMES = re.compile(rf"^({'|'.join(SETTINGS)})(?![A-Za-z_])|(?<![A-Za-z_])({_UNMISTAKABLE})(?![A-Za-z_])")


@dataclass(frozen=True)
class Network:
    """A network as the training form offers it."""

    name: str
    title: str
    use: Any  # what it is good for, a lazy translation
    is_common: bool = True  # the others are for those who know their names


NETWORKS = {
    each.name: each
    for each in (
        Network(
            "efficientnetlite0",
            "EfficientNet-Lite0",
            _("Photos, even few of each class. It has seen many photos before, and is quick."),
        ),
        Network(
            "efficientnetlite1",
            "EfficientNet-Lite1",
            _("Photos, a little more exact and slower than Lite0."),
        ),
        Network(
            "efficientnetlite2",
            "EfficientNet-Lite2",
            _("Photos, the most exact of the three, and the slowest."),
        ),
        Network(
            "efficientnetlite0and2",
            "EfficientNet-Lite0 + Lite2",
            _("Two side by side: photos, best where there are few of each class."),
        ),
        Network(
            "mobilenetv2andlite2",
            "MobileNetV2 + EfficientNet-Lite2",
            _("Two side by side: photos, best where there are few of each class."),
        ),
        Network(
            "mobilenetv2",
            "MobileNetV2",
            _("Photos, even few of each class. It has seen many photos before, and is the quickest."),
        ),
        Network(
            "efficientnetv2b0",
            "EfficientNetV2-B0",
            _("Photos, more exact and slower. It has seen many photos before."),
        ),
        Network("resnet50", "ResNet50", _("Photos, best on a GPU. Large; it has seen many photos before.")),
        Network("cnn", "CNN", _("Signs, letters, symbols: small simple pictures, many of each class.")),
        Network(
            "googlenet", "GoogLeNet", _("As it was in 2014, to study. Has seen nothing before: needs many pictures.")
        ),
        Network("lenet5", "LeNet-5", _("Handwritten digits and other small drawings.")),
        Network("mlp", "MLP", _("The simplest network, to compare others with.")),
        *(
            Network(name, title, "", is_common=False)
            for name, title in APPLICATION_TITLES.items()
            if name not in COMMON_APPLICATIONS
        ),
    )
}

# What the networks for those who know their names are good for, by how these begin; the longer name first.
FAMILIES = {
    "mobilenetv2and": _("Two side by side: photos, best where there are few of each class."),
    "mobilenet": _("Small and quick, made for phones."),
    "nasnet": _("Drawn up by a search: Mobile is small, Large exact and very slow."),
    "efficientnetb": _("The higher the number, the more exact, the slower and the larger the pictures it wants."),
    "efficientnetv2": _("Their successors, quicker to train; from B1 to L more exact and slower."),
    "convnext": _("Among the most exact, and slow without a GPU."),
    "densenet": _("Small files; the number counts its layers."),
    "resnet": _("Known best and tried most; the number counts its layers. Best on a GPU."),
    "inception": _("Exact on large pictures, of 299 pixels."),
    "xception": _("Exact on large pictures, of 299 pixels."),
    "vgg": _("Old, very large and slow: to compare others with."),
}


def family_of(network: str) -> str:
    """What begins its name, of `FAMILIES`."""
    return next(name for name in FAMILIES if network.startswith(name))


def settings_of(network: str) -> list[ConfigField]:
    """The settings that mean something to a network, in order; the network itself is not among them."""
    return [each for each in fields(TrainingConfig) if network in each.metadata["networks"] and each.name != "network"]


def said(config: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Name and value of each setting of a stored config that meant something beside the others."""
    network = config["network"]
    whole = {**TrainingConfig().to_dict(), **config}  # an older release had fewer settings
    pairs = [
        (SETTINGS[each.name], said_value(config[each.name]))
        for each in settings_of(network)
        if each.name in config and is_relevant(each, whole)
    ]
    return [(SETTINGS["network"], NETWORKS[network].title), *pairs]


def said_value(value: Any) -> Any:
    """One setting's value in the visitor's words."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list | tuple):
        return pgettext("list", ", ").join(str(CHOICES.get(each, each)) for each in value) or "–"
    return CHOICES.get(value, value)


def in_words(sentence: str) -> str:
    """A sentence of the trainer's with the page's names of settings and choices: image_size becomes “Image size”.

    A name of a single word may be a word of the sentence too ("only 5 epochs"); it is a setting where it stands first.
    """
    return _NAMES.sub(lambda name: f"“{_WORDS[name[0]]}”", sentence)
