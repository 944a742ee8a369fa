"""How much may be sent, decoded and kept: every limit on what strangers send, with the variable that sets it.

Variables hold whole numbers in the unit that `Limit` names. While one holds anything else its default counts, until
webapp/environment.py refuses the start. webapp/front/limits.py has those of connections and requests.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from training.hardware import num_cores

MB = 1_000_000


@dataclass(frozen=True)
class Limit:
    """One limit as an owner sets it."""

    variable: str
    default: int
    unit: str
    least: int
    most: int

    @property
    def value(self) -> int:
        """What the environment says, or the default where it says nothing or is wrong."""
        return int(self._text) if self._text and not self.is_wrong else self.default

    @property
    def is_wrong(self) -> bool:
        text = self._text
        return bool(text) and not (re.fullmatch("[0-9]{1,12}", text) and self.least <= int(text) <= self.most)

    @property
    def expected(self) -> str:
        return f"a whole number of {self.unit} from {self.least} to {self.most}, empty for {self.default}"

    @property
    def _text(self) -> str:
        return os.environ.get(self.variable, "").strip()


KNOWN: list[Limit] = []


def limit(variable: str, default: int, unit: str, least: int, most: int) -> int:
    """The value of a limit, which is known by its variable from now on."""
    KNOWN.append(Limit(variable, default, unit, least, most))
    return KNOWN[-1].value


# --- pictures
MAX_UPLOAD_BYTES = limit("MAX_PICTURE_MB", 10, "MB", 1, 500) * MB
MAX_PIXELS = limit("MAX_PICTURE_MEGAPIXELS", 40, "megapixels", 1, 500) * 1_000_000
MIN_SIDE = limit("MIN_PICTURE_SIDE", 8, "pixels", 1, 640)
MAX_SIDE = limit("MAX_PICTURE_SIDE", 12_000, "pixels", 640, 65_500)
MAX_SCANS = limit("MAX_JPEG_SCANS", 100, "scans", 20, 10_000)  # those of cameras and programs have about ten
MAX_FILES = limit("MAX_PICTURES_AT_ONCE", 1_000, "pictures", 1, 10_000)  # of one form

# --- the processes that decode them
DECODERS = limit("DECODERS", min(8, num_cores() + 2), "processes", 1, 64)  # of ordinary pictures
LARGE_DECODERS = limit("LARGE_DECODERS", 2, "processes", 1, 64)
MAX_DECODED_BYTES = limit("DECODING_MB", 250, "MB", 50, 10_000) * MB  # memory that decoding one picture may take
SMALL_BYTES = limit("SMALL_PICTURE_MB", 16, "MB", 8, 1_000) * MB  # what costs no more waits for no large picture
DECODING_SECONDS = limit("DECODING_SECONDS", 10, "seconds", 1, 600)
MOST_WAITING = limit("MAX_LARGE_PICTURES_WAITING", 4, "pictures", 0, 1_000)  # each holds a thread
PATIENCE_SECONDS = limit("DECODING_PATIENCE_SECONDS", 10, "seconds", 1, 600)  # before a picture is told to come again

# --- zips and the tables beside them
MAX_ARCHIVE_BYTES = limit("MAX_ZIP_MB", 2_000, "MB", 1, 1_000_000) * MB
MAX_MEMBERS = limit("MAX_ZIP_FILES", 20_000, "files", 1, 1_000_000)
MAX_ENTRIES = 3 * MAX_MEMBERS  # of the list at a zip's end: folders, and a companion that macOS packs beside each file
MAX_LIST_BYTES = limit("MAX_ZIP_LIST_MB", 32, "MB", 1, 1_000) * MB  # 20,000 entries with long Chinese names take 13 MB
MAX_UNPACKED_BYTES = limit("MAX_ZIP_UNPACKED_MB", 2_000, "MB", 1, 1_000_000) * MB
MAX_RATIO = limit("MAX_ZIP_RATIO", 100, "times", 2, 100_000)  # unpacked to packed, of one member
MAX_TABLE_ROWS = limit("MAX_TABLE_ROWS", 60_000, "rows", 1, 10_000_000)

# --- H5 files
MAX_OBJECTS = limit("MAX_H5_PARTS", 50_000, "parts", 1_000, 10_000_000)  # keras.applications has up to about 7,000
MAX_PACKED_BYTES = limit("MAX_H5_PACKED_MB", 64, "MB", 1, 10_000) * MB  # of a dataset that is kept packed: a picture
MAX_LAYERS = limit("MAX_H5_LAYERS", 5_000, "layers", 100, 1_000_000)
MAX_DEPTH = limit("MAX_H5_DEPTH", 32, "levels", 8, 500)
MAX_NESTED_NETWORKS = limit("MAX_H5_NESTED_NETWORKS", 8, "levels", 1, 100)
MAX_PADDING = limit("MAX_H5_PADDING", 1_024, "pixels", 16, 65_536)
