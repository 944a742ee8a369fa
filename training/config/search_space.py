"""What a search tries: for some settings a range or a list of choices."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from training.config.choices import PRETRAINED
from training.config.training_config import TrainingConfig
from training.config.values import ConfigField, is_relevant, read_value, type_of
from training.errors import WrongConfig
from training.messages import N_

# The seed would only find luck; final epochs change nothing that trials are compared by
NOT_SEARCHED = frozenset({"network", "seed", "precision", "final_epochs"})
LOGARITHMIC = frozenset({"learning_rate", "fine_tune_learning_rate", "weight_decay"})  # tried evenly by their size
BETWEEN = re.compile(r"\s*(?:\.\.+|…)\s*")  # 0.001 .. 0.1
DRAWS = 200  # combinations looked at before a space is called impossible

Value: TypeAlias = bool | int | float | str  # a list of numbers or words is written "32,64"


@dataclass(frozen=True)
class Range:
    """All numbers from low to high, both included."""

    low: float
    high: float
    is_log: bool = False

    def draw(self, rng: random.Random) -> float:
        if self.is_log:
            return math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return rng.uniform(self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "is_log": self.is_log}

    def __str__(self) -> str:
        return f"{self.low:g} .. {self.high:g}"


@dataclass(frozen=True)
class Choices:
    """A few values, none before another."""

    values: tuple[Value, ...]

    def draw(self, rng: random.Random) -> Value:
        return rng.choice(self.values)

    def to_dict(self) -> dict[str, Any]:
        return {"choices": list(self.values)}

    def __str__(self) -> str:
        return " | ".join(str(each) or "-" for each in self.values)


Part: TypeAlias = Range | Choices
SearchSpace: TypeAlias = dict[str, Part]  # by setting

# What is worth trying where the setting's usual value says too little.
SUGGESTED: dict[str, Part] = {
    "batch_size": Choices((16, 32, 64)),
    "optimizer": Choices(("momentum", "adam", "adamw")),
    "schedule": Choices(("constant", "cosine", "plateau")),
    "activation": Choices(("relu", "leaky_relu", "gelu", "tanh")),
    "initialization": Choices(("glorot_uniform", "he_normal")),
    "weight_decay": Range(1e-5, 0.1, is_log=True),
    "weight_averaging": Choices((0.0, 0.99, 0.999)),
    "dropout": Range(0, 0.5),
    "label_smoothing": Range(0, 0.2),
    "warm_up": Range(0, 0.3),
    "rate_factor": Range(0.1, 0.7),
    "rate_patience": Range(2, 8),
    "momentum": Range(0.8, 0.99),
    "mixup": Range(0, 0.4),
    "augmentation_strength": Range(0.5, 2),
    "auxiliary_weight": Range(0, 0.5),
    "early_stopping": Choices((0, 5)),
    "convolutions": Choices((1, 2)),
    "kernel_size": Choices((3, 5)),
    "stride": Choices((1, 2)),
    "head_epochs": Range(2, 8),
    "views": Choices((2, 4, 8)),
}


def settings_to_search(network: str) -> list[ConfigField]:
    """The settings of a network that a search may try, in order."""
    return [
        each
        for each in fields(TrainingConfig)
        if network in each.metadata["networks"] and each.name not in NOT_SEARCHED
    ]


def suggested(each: ConfigField, base: TrainingConfig) -> Part:
    """What is worth trying for one setting around its value in a config."""
    value, kind = getattr(base, each.name), type_of(each)
    if each.name in SUGGESTED:
        return SUGGESTED[each.name]
    if each.name == "image_size":
        return Choices((128, 160, 224) if base.network in PRETRAINED else _around(value))
    if kind is bool:
        return Choices((True, False))
    if kind is tuple:
        return Choices(_lists_around(each, value))
    if each.metadata["choices"]:
        return Choices(each.metadata["choices"])
    factor = 10 if each.name in LOGARITHMIC else 2
    low, high = _within(each, value / factor), _within(each, value * factor)
    return Range(int(low) if kind is int else low, high, is_log=each.name in LOGARITHMIC)


def _around(image_size: int) -> tuple[int, ...]:
    """A quarter less, the same, a quarter more; multiples of 4."""
    return tuple(dict.fromkeys(max(8, round(image_size * share / 4) * 4) for share in (0.75, 1, 1.25)))


def _lists_around(each: ConfigField, value: tuple[Any, ...]) -> tuple[str, ...]:
    """Words: with and without. Numbers: half, the same, twice."""
    if each.metadata["choices"]:
        return ",".join(value or ("rotation", "zoom")), ""
    return tuple(",".join(str(max(1, round(item * factor))) for item in value) for factor in (0.5, 1, 2))


def _within(each: ConfigField, value: float) -> float:
    """The nearest value that the setting can have, to three digits."""
    return float(f"{min(max(value, each.metadata['minimum']), each.metadata['maximum']):.3g}")


def read_part(each: ConfigField, text: str) -> Part:
    """A range ("0.001 .. 0.1") or choices ("16 | 32 | 64"; commas do as well where the setting is no list).

    Raises: WrongConfig if it is neither, or breaks the setting's limits.
    """
    ends = BETWEEN.split(text.strip())
    if len(ends) == 2:
        return checked_part(each, {"low": ends[0], "high": ends[1]})
    separator = "|" if type_of(each) is tuple or "|" in text else ","
    return checked_part(each, {"choices": [item.strip().strip("-") for item in text.split(separator)]})


def checked_part(each: ConfigField, stored: Mapping[str, Any]) -> Part:
    """A range or choices from JSON: {"low": …, "high": …} or {"choices": […]}.

    Raises: WrongConfig if it is neither, or breaks the setting's limits.
    """
    if isinstance(choices := stored.get("choices"), list):
        return _checked_choices(each, choices)
    if type_of(each) not in (int, float) or not {"low", "high"} <= stored.keys():
        raise WrongConfig(
            N_("%(name)s: expected choices such as a | b, or for a number a range such as 1 .. 10."), name=each.name
        )
    low, high = (_checked_value(each, stored[end]) for end in ("low", "high"))
    if not low < high:
        raise WrongConfig(
            N_("%(name)s: a range goes from a smaller number to a larger one, not from %(low)s to %(high)s."),
            name=each.name,
            low=f"{low:g}",
            high=f"{high:g}",
        )
    is_log = bool(stored.get("is_log", each.name in LOGARITHMIC))
    if is_log and low <= 0:
        raise WrongConfig(
            N_("%(name)s is tried evenly by its size, from tenth to tenth, so its range must begin above 0."),
            name=each.name,
        )
    return Range(low, high, is_log)


def _checked_choices(each: ConfigField, choices: Sequence[Any]) -> Choices:
    values = tuple(dict.fromkeys(_checked_value(each, choice) for choice in choices))
    if len(values) < 2:
        raise WrongConfig(N_("%(name)s: give at least two different choices, or leave it out."), name=each.name)
    return Choices(values)


def _checked_value(each: ConfigField, value: Any) -> Any:
    """The value as a space keeps it. Raises: WrongConfig if the setting cannot have it."""
    read = read_value(each, value)
    low, high, choices = (each.metadata[key] for key in ("minimum", "maximum", "choices"))
    for single in read if isinstance(read, tuple) else (read,):
        out_of_range = low is not None and isinstance(single, int | float) and not low <= single <= high
        if out_of_range or (choices and single not in choices):
            raise WrongConfig(
                N_("%(name)s is “%(value)s”; expected %(expected)s."),
                name=each.name,
                value=str(single),
                expected=" / ".join(choices) if choices else f"{low:g} … {high:g}",
            )
    return as_value(read)


def as_value(setting: Any) -> Value:
    """A setting's value as a space writes it."""
    return ",".join(map(str, setting)) if isinstance(setting, list | tuple) else setting


def to_dict(space: SearchSpace) -> dict[str, dict[str, Any]]:
    return {name: part.to_dict() for name, part in space.items()}


def from_dict(stored: Mapping[str, Mapping[str, Any]]) -> SearchSpace:
    """A space that was checked before it was stored."""
    return {
        name: Choices(tuple(part["choices"]))
        if "choices" in part
        else Range(part["low"], part["high"], bool(part["is_log"]))
        for name, part in stored.items()
    }


def read_space(stored: Mapping[str, Any], base: TrainingConfig) -> SearchSpace:
    """A space as the API or the command line gives it: a text or JSON for each setting. Raises: WrongConfig."""
    known = {each.name: each for each in settings_to_search(base.network)}
    if strange := [name for name in stored if name not in known]:
        raise WrongConfig(
            N_("“%(name)s” cannot be searched. There are: %(known)s."), name=strange[0], known=", ".join(known)
        )
    return {name: _read(known[name], part) for name, part in stored.items()}


def _read(each: ConfigField, part: Any) -> Part:
    if isinstance(part, str):
        return read_part(each, part)
    return checked_part(each, part if isinstance(part, dict) else {})


def check_possible(space: SearchSpace, base: TrainingConfig) -> None:
    """Raises: WrongConfig if nothing is searched, or nothing of many combinations, with the reason."""
    if not space:
        raise WrongConfig(N_("Nothing is searched. Choose at least one setting."))
    rng = random.Random(base.seed)  # noqa: S311
    meaningful: set[str] = set()
    reason: WrongConfig | None = None
    for _ in range(DRAWS):
        try:
            config = combined(base, {name: part.draw(rng) for name, part in space.items()})
        except WrongConfig as error:
            reason = error
        else:
            meaningful |= {each.name for each in fields(TrainingConfig) if is_relevant(each, config)}
    if reason is not None and not meaningful:
        raise WrongConfig(N_("No combination of these can be trained: %(reason)s"), reason=reason.sentence)
    if idle := [name for name in space if name not in meaningful]:
        raise WrongConfig(
            N_("%(name)s changes nothing beside the other settings. Leave it out, or search what it goes with."),
            name=idle[0],
        )


def combined(base: TrainingConfig, values: Mapping[str, Any]) -> TrainingConfig:
    """The config with one combination of values. Raises: WrongConfig if they exclude each other."""
    kinds = {each.name: type_of(each) for each in fields(TrainingConfig)}
    whole = {name: round(value) if kinds[name] is int else value for name, value in values.items()}
    return base.changed(whole)


def values_in(config: Mapping[str, Any], names: Sequence[str]) -> dict[str, Value]:
    """What a stored config has for the settings of a space."""
    return {name: as_value(config[name]) for name in names if name in config}
