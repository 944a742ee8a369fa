"""Pictures into a recognizer: each through the same `ingest`, each with a line in the report."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from training import storage
from training.data.decoders import ingest
from training.data.images import Ingested
from training.data.members import Member, ReportLine
from training.data.names import look_different, made_visible, same_name, tidied
from training.disk import check_room
from training.errors import DuplicatePicture, UnreadablePicture
from training.messages import N_, UserFacingError
from training.models import Label, Picture, PictureImport, Recognizer

MAX_KEY = 100  # characters of a class name
MAX_NAME = 255  # characters of a file's path
AHEAD = 32  # pictures decoded before their rows are written
WHAT_WAS_TAKEN_STAYS = N_("%(room)s What was taken is kept; make room and upload the rest again.")


def add_pictures(
    recognizer: Recognizer, members: Iterable[Member], by: User | None, came_with: PictureImport | None = None
) -> Iterator[ReportLine]:
    """Take in pictures one after the other, decoding some ahead on all cores; yields a line for each file.

    One bad file never stops the rest; what was taken is kept even if the caller stops half-way, or the disk has no more
    room.

    Args:
        came_with: the import that takes them. What an earlier attempt of it took counts as taken, not as a duplicate.
    Raises: DiskFull before pictures are kept that would leave less free than is to stay free.
    """
    told: set[int] = set()  # pictures that have a line: the same once more in the same zip is a duplicate
    renamed: set[str] = set()  # class folders of which it is said that they were taken under another name
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for some in _batched(members, AHEAD):
            check_room(WHAT_WAS_TAKEN_STAYS)
            decoding = [(member, pool.submit(_ingest, member)) for member in some]
            for member, future in decoding:
                try:
                    picture = add_picture(
                        recognizer,
                        member.class_name,
                        member.name,
                        future.result(),
                        by,
                        member.source,
                        came_with=came_with,
                    )
                except DuplicatePicture as error:
                    is_ours = came_with is not None and error.came_with == came_with.pk and error.picture_pk not in told
                    told.add(error.picture_pk)
                    yield ReportLine(member.name, is_ours, {} if is_ours else dict(error.sentence))
                except UserFacingError as error:
                    yield ReportLine(member.name, False, dict(error.sentence))
                else:
                    told.add(picture.pk)
                    remark = {} if member.class_name in renamed else _remark(member.class_name, picture.label.key)
                    if remark:
                        renamed.add(member.class_name)
                    yield ReportLine(member.name, True, remark)


def add_picture(
    recognizer: Recognizer,
    class_name: str,
    name: str,
    ingested: Ingested,
    by: User | None,
    source: str = "",
    *,
    came_with: PictureImport | None = None,
) -> Picture:
    """Keep one picture under a label, which is made where it is new. The file is stored before its row.

    Args:
        class_name: of its folder; `label_named` says which label that is.
        source: the object it shows; pictures of one are kept on one side of the split.

    Raises: DuplicatePicture if the recognizer has a picture with the same pixels.
    """
    present = recognizer.pictures.filter(sha256=ingested.sha256).select_related("label").first()
    if present:
        if source:  # said only now: it is grouped again
            recognizer.pictures.filter(pk=present.pk, source="").update(source=source, group="")
        raise _duplicate(present)
    picture = Picture(
        recognizer=recognizer,
        label=label_named(recognizer, class_name),
        sha256=ingested.sha256,
        width=ingested.width,
        height=ingested.height,
        perceptual_hashes=ingested.perceptual_hashes,
        source=source,
        original_name=kept_name(name),
        came_with=came_with,
        added_by=by,
    )
    storage.keep_bytes(ingested.data, picture.file)
    try:
        with transaction.atomic():
            picture.save()
    except IntegrityError as error:  # another upload was quicker with the same picture
        raise _duplicate(recognizer.pictures.select_related("label").get(sha256=ingested.sha256)) from error
    return picture


def label_named(recognizer: Recognizer, class_name: str) -> Label:
    """The label of a class folder, made where it is new.

    One that only looks the same, as earlier releases could make it, is that label too.
    """
    kept = tidied(class_name)
    labels = {label.key: label for label in recognizer.labels.filter(key__in={class_name, kept})}
    labels = labels or {label.key: label for label in recognizer.labels.all()}
    if (key := same_name(class_name, labels)) is not None:
        return labels[key]
    label, _ = Label.objects.get_or_create(recognizer=recognizer, key=kept, defaults=names_of(kept))
    return label


def _remark(class_name: str, key: str) -> dict[str, Any]:
    """What the report says of a folder whose pictures came under another name."""
    if not look_different(class_name, key):
        return {}
    names = {"name": made_visible(class_name), "label": made_visible(key)}
    return {"template": N_("The folder “%(name)s” was taken as “%(label)s”."), "params": names}


def kept_name(name: str) -> str:
    """What a picture's row keeps of its file's path: the end of a long one."""
    return name[-MAX_NAME:]


def names_of(class_name: str) -> dict[str, str]:
    """First names of a new label: its folder's name, as Chinese where it holds Chinese characters."""
    readable = class_name.replace("_", " ").strip()
    is_chinese = any("\u4e00" <= character <= "\u9fff" for character in readable)
    return {"name_zh": readable} if is_chinese else {"name_en": readable}


def _ingest(member: Member) -> Ingested:
    class_name = tidied(member.class_name)
    if not class_name:
        raise UnreadablePicture(
            N_("The file lies in no class folder. Put each picture into a folder named after what it shows.")
        )
    if len(class_name) > MAX_KEY:
        raise UnreadablePicture(
            N_("The class folder's name is longer than %(limit)d characters. Shorten it."), limit=MAX_KEY
        )
    return ingest(member.read(), patience=None)


def _duplicate(present: Picture) -> DuplicatePicture:
    error = DuplicatePicture(
        N_("The same picture is here already: “%(name)s” under “%(label)s”."),
        name=present.original_name,
        label=present.label.key,
    )
    error.picture_pk, error.came_with = present.pk, present.came_with_id
    return error


def _batched(members: Iterable[Member], size: int) -> Iterator[tuple[Member, ...]]:
    """As itertools.batched of Python 3.12."""
    iterator = iter(members)
    while some := tuple(itertools.islice(iterator, size)):
        yield some
