"""What the site itself refuses before a picture is looked at."""

from training.errors import N_, UnreadablePicture
from training.images import MAX_UPLOAD_BYTES


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
