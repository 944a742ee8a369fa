"""What the site itself refuses: pictures before they are looked at, what comes too often, and backups."""

from __future__ import annotations

import math
from typing import Any

from training.errors import UnreadablePicture
from training.limits import MAX_UPLOAD_BYTES
from training.messages import N_, Sentence, UserFacingError

SOON_SECONDS = 5


class NoPicture(UnreadablePicture):
    """The form came without a file."""

    def __init__(self) -> None:
        super().__init__(N_("There is no picture. Send a JPEG, PNG or WebP file in the form's field “file”."))


class TooLarge(UnreadablePicture):
    """The file, or the whole request, is larger than a picture may be."""

    def __init__(self) -> None:
        super().__init__(
            N_("The file is larger than %(limit)d MB. Make the picture smaller and send it again."),
            limit=MAX_UPLOAD_BYTES // 1_000_000,
        )


class BackupNotTaken(UserFacingError):
    """A backup could not be written where it was asked for."""


class NoBackup(UserFacingError):
    """The folder is no whole backup that this version can read."""


class NotRestorable(UserFacingError):
    """The installation cannot take a backup's rows and files."""


class Refused(UserFacingError):
    """Nothing is wrong with a request but its moment: `status` and `retry_after` say when it may come again.

    Args:
        what: its heading.
        kind, by: what was refused, and which count or outage refused it, as /metrics has it.
        retry_after: seconds.
    """

    status = 429

    def __init__(self, what: str, template: str, *, kind: str, by: str, retry_after: float, **params: Any) -> None:
        super().__init__(template, when=_when(retry_after), **params)
        self.what = {"template": what, "params": {}}
        self.kind, self.by = kind, by
        self.retry_after = max(1, math.ceil(retry_after))


class Closed(Refused):
    """What it needs is taken or away."""

    status = 503


def _when(seconds: float) -> Sentence:
    if seconds <= SOON_SECONDS:
        return {"template": N_("in a moment"), "params": {}}
    if seconds < 2 * 60:
        return {"template": N_("in %(number)d seconds"), "params": {"number": math.ceil(seconds)}}
    return {"template": N_("in %(number)d minutes"), "params": {"number": math.ceil(seconds / 60)}}
