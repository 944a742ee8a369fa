"""All settings of a training run together: a network's defaults, changes to them, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from training.config.choices import LITES, PAIRS, PRETRAINED
from training.config.constraints import refuse_impossible
from training.config.fields import Settings
from training.config.values import check_value, is_relevant, read_values

RETIRED = frozenset({"validation_share", "test_share"})  # settings of earlier releases; the recognizer has them now

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
    "googlenet": {"image_size": 128, "epochs": 30, "dropout": 0.4, "augmentation": ("flip", "translation", "zoom")},
    **{name: {"learning_rate": 3e-3} for name in PRETRAINED},
    **{
        name: {"image_size": image_size, "learning_rate": 3e-3}
        for name, image_size in zip(LITES, (224, 240, 260), strict=True)
    },
    **{name: {"image_size": 240, "fine_tune": "none", "linear_probe": True, "epochs": 1} for name in PAIRS},
    "resnet50": {"image_size": 224, "learning_rate": 3e-3},
}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Settings):
    """All settings of one training run.

    Raises: WrongConfig when a value is out of its range or two settings exclude each other.
    """

    @classmethod
    def for_network(cls, network: str, settings: Mapping[str, Any] | None = None) -> Self:
        """The network's own defaults, with the given settings over them; strings are read as values."""
        base = cls(network=network, **NETWORK_DEFAULTS.get(network, {}))
        return base.changed(settings or {})

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        return cls().changed({name: value for name, value in stored.items() if name not in RETIRED})

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """A copy with some settings changed.

        Args:
            settings: values by name; a string is read as the setting's type ("32,64" for a list).
        Raises: WrongConfig if a name is unknown or a value does not fit.
        """
        return replace(self, **read_values(settings))

    def settled(self, settings: Mapping[str, Any]) -> Self:
        """A copy with some settings changed as a form means it: those without a meaning beside the others fall back.

        Raises: WrongConfig as `changed` does.
        """
        asked = {**self.to_dict(), **read_values(settings)}
        kept = {each.name: asked[each.name] for each in fields(self) if is_relevant(each, asked)}
        return type(self).for_network(asked["network"], kept)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            for single in value if isinstance(value, tuple) else (value,):
                check_value(each, single)
        refuse_impossible(self)
