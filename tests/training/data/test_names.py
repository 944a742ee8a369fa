from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.names import look_different, made_visible, same_name, tidied

PERSIAN = "می\u200cخواهم"
SINHALA = "ශ්\u200dරී"
FAMILY = "👩\u200d👧"


@pytest.mark.parametrize(
    "name",
    [
        *(" cat", "cat ", "\tcat\n", "\u3000cat", "cat\u00a0", "\u2800cat"),
        *("\u202ecat", "c\u200bat", "ca\u2066t\u2069", "\ufeffcat", "c\u00adat", "cat\x00", "c\u200dat", "cat\u200c"),
        *("\u3164cat", "c\u034fat", "c\U000e0061at"),
    ],
)
def test_what_cannot_be_seen_makes_no_other_name(name: str) -> None:
    assert tidied(name) == "cat"


def test_one_blank_stands_between_words() -> None:
    assert tidied("  plastic \u3000 \u200b bottle ") == "plastic bottle"


def test_both_ways_to_write_a_letter_are_one() -> None:
    assert tidied(unicodedata.normalize("NFD", "Käfer")) == tidied("Käfer") == "Käfer"


@pytest.mark.parametrize("name", [PERSIAN, SINHALA, FAMILY, "❤️\u200d🔥", "塑料瓶", "Cat_2 (grey)", "naïve", "한국어"])
def test_a_name_that_is_well_written_stays_as_it_is(name: str) -> None:
    assert tidied(name) == unicodedata.normalize("NFC", name)


@given(st.text())
def test_a_tidied_name_is_tidy(name: str) -> None:
    assert tidied(tidied(name)) == tidied(name)


def test_case_tells_names_apart_as_ever() -> None:
    assert same_name("Cat", ["cat"]) is None


@pytest.mark.parametrize(
    ("known", "found"),
    [([" cat", "cat"], " cat"), (["cat", "\u202ecat"], "cat"), (["\u202ecat"], "\u202ecat"), ([], None)],
)
def test_the_very_name_is_found_before_one_that_looks_the_same(known: list[str], found: str | None) -> None:
    assert same_name(" cat", known) == found


def test_what_is_hidden_in_a_name_can_be_written_out() -> None:
    assert made_visible("\u202e猫\u200b") == "\\u202e猫\\u200b"


def test_two_ways_to_write_the_same_letters_look_the_same() -> None:
    assert not look_different("Käfer", unicodedata.normalize("NFD", "Käfer"))
    assert look_different(" cat", "cat")
