"""How many scans a JPEG is stored in, found in its bytes: each costs a pass over the whole picture, short as it is.

A few bytes make a scan, so a file of one megabyte can ask for 80,000 of them. ITU-T T.81, annex B, has the markers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # neither a stuffed byte of the data nor a restart
FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # start of frame; the others define tables
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
SCAN, END = 0xDA, 0xD9
WITHOUT_LENGTH = frozenset({0x01, 0xD8})


def count_scans(data: bytes, most: int) -> int:
    """The scans of a JPEG, or `most` + 1 where there are more; where the first has every colour, no other is read."""
    frame, num_colours, count = 0, 0, 0
    for marker, at in _segments(data):
        if marker in FRAMES:
            frame, num_colours = marker, _byte(data, at + 7)
        elif marker == SCAN:
            count += 1
            is_whole = frame not in PROGRESSIVE and _byte(data, at + 2) >= num_colours
            if count > most or (count == 1 and is_whole):
                break
    return count


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Every marker up to the picture's end, and where its segment begins."""
    at = 0
    while found := MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == END:
            return
        yield marker, at
        if marker not in WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + 2], "big")


def _byte(data: bytes, at: int) -> int:
    return data[at] if at < len(data) else 0
