"""What a person may choose about a training run, each setting with its range, its default and a sentence of help.

The same names serve the dashboard's form, `manage.py train --set`, the API and the H5.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Self

from training.errors import N_, WrongConfig

PRETRAINED = ("mobilenetv2", "resnet50")
NETWORKS = ("mlp", "lenet5", "cnn", *PRETRAINED)
OPTIMIZERS = ("adam", "adamw", "sgd", "momentum", "rmsprop")
SCHEDULES = ("cosine", "constant")
ACTIVATIONS = ("relu", "leaky_relu", "gelu", "elu", "silu", "tanh", "sigmoid")
AUGMENTATIONS = ("flip", "rotation", "zoom", "translation", "shear", "contrast", "invert")

TRUTHS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}

# What a network wants where nobody chose.
NETWORK_DEFAULTS: dict[str, dict[str, Any]] = {
    "mlp": {"image_size": 32, "epochs": 20, "batch_size": 64, "augmentation": ()},
    "lenet5": {
        "image_size": 32,
        "epochs": 60,
        "batch_size": 64,
        "learning_rate": 4e-3,
        "dropout": 0.1,
        "augmentation": ("rotation", "zoom", "translation", "shear"),
    },
    "cnn": {"image_size": 96, "epochs": 30, "augmentation": ("flip", "translation", "zoom")},
    "mobilenetv2": {"image_size": 160, "learning_rate": 3e-3},
    "resnet50": {"image_size": 224, "learning_rate": 3e-3},
}


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    networks: tuple[str, ...] = NETWORKS,
) -> Any:
    """A field of TrainingConfig with its limits; `networks` names those it means something to."""
    limits = {"minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata={"help": help, "networks": networks, **limits})


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """All settings of one training run.

    Raises: WrongConfig when a value is out of its range or two settings exclude each other.
    """

    SHARES_LEFT_FOR_TRAINING: ClassVar[float] = 0.3

    network: str = setting("mobilenetv2", N_("The kind of network."), choices=NETWORKS)
    pretrained: bool = setting(
        True, N_("Start from weights learned on ImageNet instead of random ones."), networks=PRETRAINED
    )
    image_size: int = setting(
        160, N_("Side in pixels of the square every picture is resized to."), minimum=8, maximum=512
    )
    epochs: int = setting(11, N_("How often the network sees every training picture."), minimum=1, maximum=1000)
    head_epochs: int = setting(
        5,
        N_("How many of the epochs train only the new last layer, before fine-tuning begins."),
        minimum=0,
        maximum=1000,
        networks=PRETRAINED,
    )
    batch_size: int = setting(32, N_("Pictures per step."), minimum=1, maximum=1024)
    learning_rate: float = setting(1e-3, N_("How far each step moves the weights."), minimum=1e-7, maximum=10)
    fine_tune_learning_rate: float = setting(
        3e-4, N_("The lower rate of the fine-tuning."), minimum=1e-8, maximum=1, networks=PRETRAINED
    )
    schedule: str = setting("cosine", N_("How the learning rate changes from step to step."), choices=SCHEDULES)
    optimizer: str = setting("adamw", N_("How a step is made from the gradient."), choices=OPTIMIZERS)
    activation: str = setting(
        "relu",
        N_("The function between layers."),
        choices=ACTIVATIONS,
        networks=("mlp", "lenet5", "cnn"),
    )
    dropout: float = setting(0.2, N_("Share of values set to zero before the last layer."), minimum=0, maximum=0.9)
    filters: tuple[int, ...] = setting(
        (32, 64, 128), N_("Filters of each block."), minimum=1, maximum=2048, networks=("cnn",)
    )
    kernel_size: int = setting(3, N_("Side in pixels of each filter."), minimum=1, maximum=11, networks=("cnn",))
    hidden_units: tuple[int, ...] = setting(
        (256, 128), N_("Units of each hidden layer."), minimum=1, maximum=8192, networks=("mlp",)
    )
    augmentation: tuple[str, ...] = setting(
        ("flip", "rotation", "zoom"),
        N_("Random changes to the training pictures. Flip only what means the same mirrored."),
        choices=AUGMENTATIONS,
    )
    seed: int = setting(1, N_("Start of all chance: the same seed gives the same split."), minimum=0, maximum=2**31 - 1)
    validation_share: float = setting(
        0.15, N_("Share of the pictures that picks the best epoch."), minimum=0.05, maximum=0.5
    )
    test_share: float = setting(
        0.15, N_("Share of the pictures kept back for the final figures."), minimum=0.05, maximum=0.5
    )

    @classmethod
    def for_network(cls, network: str, settings: Mapping[str, Any] | None = None) -> Self:
        """The network's own defaults, with the given settings over them; strings are read as values."""
        base = cls(network=network, **NETWORK_DEFAULTS.get(network, {}))
        return base.changed(settings or {})

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        return cls().changed(stored)

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """A copy with some settings changed.

        Args:
            settings: values by name; a string is read as the setting's type ("32,64" for a list).
        Raises: WrongConfig if a name is unknown or a value does not fit.
        """
        known = {each.name: each for each in fields(self)}
        for name in settings:
            if name not in known:
                raise WrongConfig(
                    N_("There is no setting “%(name)s”. There are: %(known)s."),
                    name=name,
                    known=", ".join(known),
                )
        values = {name: read_value(known[name], value) for name, value in settings.items()}
        return replace(self, **values)

    def to_dict(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def is_fine_tuned(self) -> bool:
        return self.network in PRETRAINED and self.pretrained

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            for single in value if isinstance(value, tuple) else (value,):
                _check_value(each, single)
        if self.validation_share + self.test_share > 1 - self.SHARES_LEFT_FOR_TRAINING:
            raise WrongConfig(
                N_("validation_share and test_share are %(sum).2f together; leave at least 0.3 to train on."),
                sum=self.validation_share + self.test_share,
            )
        if self.is_fine_tuned and self.head_epochs > self.epochs:
            raise WrongConfig(
                N_("head_epochs is %(head)d but there are only %(epochs)d epochs; make it at most that."),
                head=self.head_epochs,
                epochs=self.epochs,
            )
        if self.image_size < (smallest := self._smallest_image_size()):
            raise WrongConfig(
                N_("image_size is %(size)d; %(network)s needs at least %(smallest)d pixels."),
                size=self.image_size,
                network=self.network,
                smallest=smallest,
            )
        for name in ("filters", "hidden_units"):
            if not getattr(self, name):
                raise WrongConfig(N_("%(name)s is empty; give at least one number."), name=name)

    def _smallest_image_size(self) -> int:
        if self.network == "cnn":
            return int(max(8, 2 ** len(self.filters)))  # every block halves the side
        return {"lenet5": 20, "mobilenetv2": 32, "resnet50": 32}.get(self.network, 8)


ConfigField: typing.TypeAlias = "Field[Any]"
_TYPES: dict[str, Any] = typing.get_type_hints(TrainingConfig)


def type_of(each: ConfigField) -> type:
    """int, float, bool, str or tuple."""
    hint: type = _TYPES[each.name]
    return typing.get_origin(hint) or hint


def item_type_of(each: ConfigField) -> type:
    """What a list holds; the type itself for anything else."""
    hint: type = _TYPES[each.name]
    items: tuple[type, ...] = typing.get_args(hint)
    return items[0] if items else hint


def read_value(each: ConfigField, value: Any) -> Any:
    """A setting's value from a string, a JSON value or the value itself.

    Raises: WrongConfig if it cannot be read as the setting's type.
    """
    wanted = type_of(each)
    try:
        if wanted is tuple:
            items = value.replace(",", " ").split() if isinstance(value, str) else value
            return tuple(_read_single(item_type_of(each), item) for item in items)
        return _read_single(wanted, value)
    except (TypeError, ValueError, OverflowError) as error:
        raise WrongConfig(
            N_("%(name)s is “%(value)s”; expected %(expected)s."),
            name=each.name,
            value=str(value),
            expected=_expected(each),
        ) from error


def _read_single(wanted: type, value: Any) -> Any:
    if wanted is bool and isinstance(value, str):
        value = TRUTHS.get(value.lower())
    if value is None or isinstance(value, bool) != (wanted is bool):
        raise ValueError(value)
    if wanted is int:
        if float(value) != int(float(value)):
            raise ValueError(value)
        return int(float(value))
    return wanted(value)


def _check_value(each: ConfigField, value: Any) -> None:
    choices, low, high = (each.metadata[key] for key in ("choices", "minimum", "maximum"))
    fits = value in choices if choices else True
    if low is not None and isinstance(value, int | float):
        fits = fits and low <= value <= high
    if not fits:
        raise WrongConfig(
            N_("%(name)s is “%(value)s”; expected %(expected)s."),
            name=each.name,
            value=str(value),
            expected=_expected(each),
        )


def _expected(each: ConfigField) -> str:
    if each.metadata["choices"]:
        return " / ".join(each.metadata["choices"])
    if each.metadata["minimum"] is not None:
        return f"{each.metadata['minimum']:g} … {each.metadata['maximum']:g}"
    return type_of(each).__name__
