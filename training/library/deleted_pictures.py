"""Pictures that are deleted while somebody prepares from them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from training import storage
from training.errors import BrokenArtifact
from training.messages import N_
from training.models import Recognizer

T = TypeVar("T")

log = logging.getLogger("training")


def without_deleted(recognizer: Recognizer, prepare: Callable[[], T]) -> T:
    """What is prepared from a recognizer's pictures; again without it, where one of them is deleted meanwhile.

    Args:
        prepare: reads the pictures' rows anew each time.
    Raises: BrokenArtifact where a picture has its row and no file.
    """
    while True:
        try:
            return prepare()
        except FileNotFoundError as error:
            deleted_picture(recognizer, error)


def deleted_picture(recognizer: Recognizer, error: FileNotFoundError) -> str:
    """The SHA-256 of the picture whose file was not there, because it has been deleted.

    Raises: BrokenArtifact where its row is there; the error itself where that is about no picture.
    """
    folder = storage.local_path(f"pictures/{recognizer.pk}")
    path = Path(error.filename or "")
    if not path.is_relative_to(folder):
        raise error
    present = recognizer.pictures.filter(sha256=path.stem).select_related("label").first()
    if present:
        raise BrokenArtifact(
            N_(
                "The file of the picture “%(name)s” under “%(label)s” is missing. Delete the picture, or restore its "
                "file from a backup, then start this again."
            ),
            name=present.original_name,
            label=present.label.key,
        ) from error
    log.info("A picture was deleted meanwhile: it is left out, and what was prepared with it is prepared again")
    return path.stem
