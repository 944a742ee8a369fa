"""Values of settings: of which type they are, read from text or JSON, held against their range."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from training.config.fields import Settings
from training.errors import WrongConfig
from training.messages import N_

TRUTHS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}

ConfigField: typing.TypeAlias = "Field[Any]"
_TYPES: dict[str, Any] = typing.get_type_hints(Settings)


def type_of(each: ConfigField) -> type:
    """int, float, bool, str or tuple."""
    hint: type = _TYPES[each.name]
    return typing.get_origin(hint) or hint


def item_type_of(each: ConfigField) -> type:
    """What a list holds; the type itself for anything else."""
    hint: type = _TYPES[each.name]
    items: tuple[type, ...] = typing.get_args(hint)
    return items[0] if items else hint


def is_relevant(each: ConfigField, config: Settings | Mapping[str, Any]) -> bool:
    """Whether a setting means anything beside the others: momentum does not to Adam, nor filters to an mlp."""
    values = config if isinstance(config, Mapping) else config.to_dict()
    return values["network"] in each.metadata["networks"] and all(
        not {*_as_list(values.get(name))}.isdisjoint(wanted) for name, wanted in each.metadata["when"].items()
    )


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def read_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, each read as its type. Raises: WrongConfig if a name is unknown or a value cannot be read."""
    known = {each.name: each for each in fields(Settings)}
    for name in settings:
        if name not in known:
            raise WrongConfig(
                N_("There is no setting “%(name)s”. There are: %(known)s."),
                name=name,
                known=", ".join(known),
            )
    return {name: read_value(known[name], value) for name, value in settings.items()}


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


def check_value(each: ConfigField, value: Any) -> None:
    """Raises: WrongConfig if the value is out of the setting's range, or none of its choices."""
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
