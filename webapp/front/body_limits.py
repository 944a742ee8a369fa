"""How many bytes a request's body may have at each address, looked at before it is received.

The addresses are few, and are named here as webapp/urls.py and webapp/api.py name them, because the front looks them up
for every request, in the one thread that serves all connections.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from training.limits import MAX_ARCHIVE_BYTES, MAX_UPLOAD_BYTES
from webapp.front.limits import ANYWHERE_BYTES

IN_MEMORY_BYTES = 100_000  # of a body; a longer one lies in DATA_DIR/tmp until it is answered
FORM_BYTES = 100_000  # the form around a picture
ARCHIVE_FORM_BYTES = 1_000_000  # ... and around a zip


@dataclass(frozen=True)
class BodyLimit:
    """What may be sent to an address."""

    max_bytes: int
    is_for_staff: bool = False  # others may send no more than anywhere


ANYWHERE = BodyLimit(ANYWHERE_BYTES)
PICTURE = BodyLimit(MAX_UPLOAD_BYTES + FORM_BYTES)
ARCHIVE = BodyLimit(MAX_ARCHIVE_BYTES + ARCHIVE_FORM_BYTES, is_for_staff=True)

LARGER: tuple[tuple[re.Pattern[str], BodyLimit], ...] = (
    (re.compile(r"/r/[-\w]+/"), PICTURE),
    (re.compile(r"/api/v1/recognizers/[-\w]+/classify"), PICTURE),
    (re.compile(r"/manage/[-\w]+/pictures/upload/"), ARCHIVE),
)


def body_limit(path: str) -> BodyLimit:
    """The limit of an address, given as the path of its URL without the query."""
    return next((limit for pattern, limit in LARGER if pattern.fullmatch(path)), ANYWHERE)


def bytes_on_disk(content_length: int) -> int:
    """How much room a body takes at most: as it was received, and once more as Django lays it before a form."""
    return 2 * content_length if content_length > IN_MEMORY_BYTES else 0
