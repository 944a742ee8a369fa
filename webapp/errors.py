"""What the site itself refuses: pictures before they are looked at, and backups."""

from training.data.images import MAX_UPLOAD_BYTES
from training.errors import UnreadablePicture
from training.messages import N_, UserFacingError


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
