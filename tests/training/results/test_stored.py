from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from training.results.stored import Stored, also


@dataclass(frozen=True)
class Part:
    name: str
    size: int = 0


@dataclass(frozen=True)
class Whole(Stored):
    title: str
    best: Part | None = None
    parts: list[Part] = field(default_factory=list)
    span: tuple[float, float] | None = None
    shares: dict[str, float] = field(default_factory=dict, metadata=also("fractions"))


def test_what_is_kept_is_read_as_it_was() -> None:
    whole = Whole("a", Part("b", 1), [Part("c"), Part("d", 2)], (0.1, 0.9), {"e": 0.5})

    assert Whole.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole


def test_what_an_earlier_release_did_not_keep_has_its_default() -> None:
    assert Whole.from_dict({"title": "a", "parts": [{"name": "b"}]}) == Whole("a", parts=[Part("b")])


def test_what_an_earlier_release_called_otherwise_is_found() -> None:
    assert Whole.from_dict({"title": "a", "fractions": {"b": 1.0}}).shares == {"b": 1.0}


def test_todays_name_goes_before_an_earlier_one() -> None:
    assert Whole.from_dict({"title": "a", "fractions": {}, "shares": {"b": 1.0}}).shares == {"b": 1.0}


def test_what_is_not_known_is_passed_over() -> None:
    assert Whole.from_dict({"title": "a", "colour": "red", "best": {"name": "b", "taste": "sweet"}}).best == Part("b")


@pytest.mark.parametrize("nothing", [None, {}])
def test_an_empty_part_is_none(nothing: object) -> None:
    assert Whole.from_dict({"title": "a", "best": nothing}).best is None


def test_a_field_that_every_release_has_written_must_be_there() -> None:
    with pytest.raises(TypeError, match="title"):
        Whole.from_dict({})
