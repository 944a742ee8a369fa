"""Every sentence of the site has its Chinese."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "webapp" / "locale" / "zh_Hans" / "LC_MESSAGES"
SINGULAR = ("_", "N_", "gettext", "gettext_lazy", "gettext_noop")
KEYWORDS = dict.fromkeys(SINGULAR) | {
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}
PLACEHOLDER = re.compile(r"%\((\w+)\)")
INDENT = re.compile(r"^[ \t]+", re.MULTILINE)


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    with (FOLDER / "django.po").open("rb") as file:
        return read_po(file, locale="zh_Hans")


def messages() -> Iterator[tuple[str, str | None]]:
    """Every sentence in Python and in the templates, with its context."""
    for package in ("webapp", "classifier", "training"):
        for path in (ROOT / package).rglob("*.py"):
            yield from _found(path.read_text())
    for path in (ROOT / "templates").rglob("*.html"):
        calls = templatize(path.read_text(), origin=str(path))
        yield from _found(INDENT.sub("", calls))  # the tokenizer wants Python's indentation


def _found(source: str) -> Iterator[tuple[str, str | None]]:
    for _, message, _, context in extract("python", io.BytesIO(source.encode()), keywords=KEYWORDS):
        yield (message if isinstance(message, str) else message[0]), context


def test_every_sentence_has_its_chinese(catalogue: Catalog) -> None:
    missing = {
        message
        for message, context in messages()
        if message and not ((entry := catalogue.get(message, context)) and entry.string and not entry.fuzzy)
    }

    assert missing == set()


def test_no_translation_loses_or_invents_a_value(catalogue: Catalog) -> None:
    wrong = []
    for entry in catalogue:
        wanted = set(PLACEHOLDER.findall(_forms(entry.id)[-1]))
        wrong += [text for text in _forms(entry.string) if entry.id and set(PLACEHOLDER.findall(text)) != wanted]

    assert wrong == []


def test_the_compiled_catalogue_is_that_of_the_source(catalogue: Catalog) -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = read_mo(file)

    assert _pairs(compiled) == _pairs(catalogue)


def _pairs(catalogue: Catalog) -> set[tuple[str, str]]:
    """Each sentence with its Chinese; of the forms of number, of which Chinese has one, the first."""
    return {(_forms(entry.id)[0], _forms(entry.string)[0]) for entry in catalogue if entry.id and not entry.fuzzy}


def _forms(text: str | Sequence[str] | None) -> Sequence[str]:
    return [text or ""] if isinstance(text, str | None) else text
