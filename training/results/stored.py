"""Results that rows keep as JSON: one dataclass where they are written and where they are read.

A row outlives the release that wrote it. What an earlier one did not write yet has the field's default, what it wrote
under another name is found by `also`, and what this release does not know is passed over.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from typing import Any, Self, Union, get_args, get_origin, get_type_hints

Read = Callable[[Any], Any]


class Stored:
    """Base of a dataclass that a row keeps; its fields are numbers, texts, lists, tuples, dicts and dataclasses."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    def to_json(self) -> dict[str, Any]:
        """As the API and a download give it away: under the names of earlier releases as well, which scripts know."""
        return _as_json(self)  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raises: TypeError if a field without a default is missing."""
        read: Read = _reader(cls)  # type: ignore[arg-type]
        return read(values)  # type: ignore[no-any-return]


def also(*names: str) -> dict[str, tuple[str, ...]]:
    """Metadata of a field that earlier releases wrote under other names."""
    return {"also": names}


def _as_json(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    if not is_dataclass(value):
        return value
    return {
        name: _as_json(getattr(value, each.name))
        for each in fields(value)
        for name in (each.name, *each.metadata.get("also", ()))
    }


@cache
def _reader(kind: Any) -> Read:
    """What turns JSON into a type; worked out once for each."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _dataclass_reader(kind)
    if origin in (Union, types.UnionType):
        (one,) = [each for each in inner if each is not type(None)]
        read = _reader(one)
        return lambda value: None if value is None or value == {} else read(value)  # {} in rows of earlier releases
    if origin is list:
        read = _reader(inner[0])
        return lambda value: [read(each) for each in value]
    if origin is tuple:
        return tuple  # of plain values
    return lambda value: value


def _dataclass_reader(kind: Any) -> Read:
    hints = get_type_hints(kind)
    readers = {each.name: _reader(hints[each.name]) for each in fields(kind)}
    names = {each.name: (each.name, *each.metadata.get("also", ())) for each in fields(kind)}

    def read(values: Mapping[str, Any]) -> Any:
        found = {
            name: readers[name](values[known])
            for name, called in names.items()
            for known in reversed(called)  # today's name wins
            if known in values
        }
        return kind(**found)

    return read
