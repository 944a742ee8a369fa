"""Names of classes as people type them: what cannot be seen in one makes no other name of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

BLANK_TO_SEE = "\u2800"
NOTHING_TO_SEE = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # fillers: letters or marks to Unicode, and empty
NON_JOINER, JOINER = "\u200c", "\u200d"
VIRAMA = 9  # its combining class: in Indic scripts a joiner behind it makes another letter
EMOJI = ("So", "Sk", "Mn")  # a picture, its skin colour, the selector behind it


def tidied(name: str) -> str:
    """The form in which a name is kept: composed (NFC), one blank between words, no control or formatting characters.

    Joiners stay where a script needs them (after Unicode's UAX 31): Indic, Persian, emoji.
    """
    composed = unicodedata.normalize("NFC", name)
    seen = "".join(_seen(composed, at) for at in range(len(composed)))
    return unicodedata.normalize("NFC", " ".join(seen.split()))  # letters that something stood between may compose now


def _seen(name: str, at: int) -> str:
    character = name[at]
    if character.isspace() or character == BLANK_TO_SEE:
        return " "
    is_hidden = unicodedata.category(character) in ("Cc", "Cf") or character in NOTHING_TO_SEE
    return "" if is_hidden and not _is_needed(name, at) else character


def _is_needed(name: str, at: int) -> bool:
    """Whether a joiner makes a difference that its readers see."""
    if name[at] not in (NON_JOINER, JOINER) or not 0 < at < len(name) - 1:
        return False
    before, after = name[at - 1], name[at + 1]
    if unicodedata.combining(before) == VIRAMA:
        return True
    if name[at] == NON_JOINER:
        return unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == "AL"
    return unicodedata.category(before) in EMOJI and unicodedata.category(after) == "So"


def same_name(name: str, among: Iterable[str]) -> str | None:
    """Which of some names a name is: that very one, else the one kept for it, else one that looks the same."""
    known, kept = list(among), tidied(name)
    for wanted in (name, kept):
        if wanted in known:
            return wanted
    return next((each for each in known if tidied(each) == kept), None)


def made_visible(name: str) -> str:
    """The name with what cannot be seen in it written out, as in “\\u202ecat”."""
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in ("Cc", "Cf") else character
        for character in name
    )


def look_different(name: str, other: str) -> bool:
    """Whether two names are more than two ways to write the same letters, as macOS and Windows write them."""
    return unicodedata.normalize("NFC", name) != unicodedata.normalize("NFC", other)
