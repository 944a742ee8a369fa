"""Pictures into a recognizer: each through the same `ingest`, each with a line in the report."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from training import storage
from training.data.images import MAX_UPLOAD_BYTES, Ingested, ingest
from training.data.manifest import Manifest, make_manifest
from training.data.splitting import Sample, Shares
from training.errors import DuplicatePicture, UnreadablePicture
from training.library.duplicates import group_pictures
from training.messages import N_, UserFacingError
from training.models import Label, Picture, Recognizer, TrainingRun
from training.models.pictures import ReportLine

JUNK_NAMES = frozenset({"thumbs.db", "desktop.ini", "icon\r"})
MAX_KEY = 100  # characters of a class name
MANIFEST_NAME = "manifest.json"  # in a run's folder in the store
ROWS_AT_ONCE = 500  # in one statement
AHEAD = 32  # pictures decoded before their rows are written


@dataclass(frozen=True)
class Member:
    """One file of an upload, not read yet."""

    name: str  # its path in the zip or folder, or the name it was uploaded under
    class_name: str  # empty where it lies in no class folder
    read: Callable[[], bytes]  # raises UserFacingError where the archive's member breaks a limit
    source: str = ""  # the object it shows, where somebody said so


def is_junk(name: str) -> bool:
    """Files that computers leave lying about: __MACOSX, dotfiles, Thumbs.db."""
    parts = PurePosixPath(name).parts
    is_hidden = any(part.startswith(".") and part != ".." for part in parts)
    return is_hidden or "__MACOSX" in parts or PurePosixPath(name).name.lower() in JUNK_NAMES


def folder_members(folder: Path) -> Iterator[Member]:
    """Every file below a folder of class folders; the class is the folder a file lies in."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not is_junk(name):
            yield Member(name, class_of(name), partial(_read_file, path))


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_UPLOAD_BYTES + 1)  # ingest() refuses what is longer than the limit
    except OSError as error:
        raise UnreadablePicture(N_("The file cannot be read (%(reason)s)."), reason=error.strerror) from error


def class_of(name: str) -> str:
    """The name of the folder a file lies in; empty where it lies in none."""
    return PurePosixPath(name).parent.name


def add_pictures(recognizer: Recognizer, members: Iterable[Member], by: User | None) -> Iterator[ReportLine]:
    """Take in pictures one after the other, decoding some ahead on all cores; yields a line for each file.

    One bad file never stops the rest; what was taken is kept even if the caller stops half-way.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for some in _batched(members, AHEAD):
            decoding = [(member, pool.submit(_ingest, member)) for member in some]
            for member, future in decoding:
                try:
                    add_picture(recognizer, member.class_name, member.name, future.result(), by, member.source)
                except UserFacingError as error:
                    yield ReportLine(member.name, False, dict(error.sentence))
                else:
                    yield ReportLine(member.name, True)


def add_picture(
    recognizer: Recognizer, class_name: str, name: str, ingested: Ingested, by: User | None, source: str = ""
) -> Picture:
    """Keep one picture under a label, which is made where it is new. The file is stored before its row.

    Args:
        source: the object it shows; pictures of one are kept on one side of the split.

    Raises: DuplicatePicture if the recognizer has a picture with the same pixels.
    """
    present = recognizer.pictures.filter(sha256=ingested.sha256).select_related("label").first()
    if present:
        if source:  # said only now: it is grouped again
            recognizer.pictures.filter(pk=present.pk, source="").update(source=source, group="")
        raise _duplicate(present)
    label, _ = Label.objects.get_or_create(recognizer=recognizer, key=class_name, defaults=names_of(class_name))
    picture = Picture(
        recognizer=recognizer,
        label=label,
        sha256=ingested.sha256,
        width=ingested.width,
        height=ingested.height,
        fingerprint=ingested.fingerprint,
        source=source,
        original_name=name[-255:],
        added_by=by,
    )
    storage.keep_bytes(ingested.data, picture.file)
    try:
        with transaction.atomic():
            picture.save()
    except IntegrityError as error:  # another upload was quicker with the same picture
        raise _duplicate(recognizer.pictures.select_related("label").get(sha256=ingested.sha256)) from error
    return picture


def names_of(class_name: str) -> dict[str, str]:
    """First names of a new label: its folder's name, as Chinese where it holds Chinese characters."""
    readable = class_name.replace("_", " ").strip()
    is_chinese = any("\u4e00" <= character <= "\u9fff" for character in readable)
    return {"name_zh": readable} if is_chinese else {"name_en": readable}


def manifest_of_run(run: TrainingRun) -> Manifest:
    """The pictures and the split of a run, kept from its first attempt on: what it has learned fits no other.

    Raises: TooFewPictures.
    """
    kept = _kept_manifest(run)
    if kept:
        return kept
    manifest = manifest_of(run.recognizer)
    name = f"{run.folder}/{MANIFEST_NAME}"
    storage.forget(name)
    storage.keep_bytes(manifest.to_json().encode(), name)
    return manifest


def _kept_manifest(run: TrainingRun) -> Manifest | None:
    """The manifest of an earlier attempt; none where there was none, or where a picture of it has been deleted."""
    path = storage.local_path(f"{run.folder}/{MANIFEST_NAME}")
    if not (run.manifest_sha256 and path.is_file()):
        return None
    manifest = Manifest.from_json(path.read_text(encoding="utf-8"), storage.local_path("pictures"))
    present = set(run.recognizer.pictures.values_list("sha256", flat=True))
    is_whole = manifest.sha256 == run.manifest_sha256 and all(each.sha256 in present for each in manifest.entries)
    if is_whole:
        for entry in manifest.entries:
            storage.local_path(f"pictures/{entry.file}")  # fetches it where the store is a remote one
    return manifest if is_whole else None


def manifest_of(recognizer: Recognizer) -> Manifest:
    """The pictures of a recognizer with their sides; those that have none get one, for good.

    It can be called by two at a time: the recognizer's row is locked while sides are written. Pictures whose
    near-duplicates nobody has looked for are looked at first. Files in a remote store are fetched.

    Raises: TooFewPictures.
    """
    group_pictures(recognizer)
    with transaction.atomic():
        Recognizer.objects.select_for_update().get(pk=recognizer.pk)
        pictures = list(recognizer.pictures.exclude(group="").select_related("label").order_by("pk"))
        manifest = make_manifest(storage.local_path("pictures"), map(_sample_of, pictures), shares_of(recognizer))
        _keep_sides(pictures, manifest)
    for each in pictures:
        storage.local_path(each.file)
    return manifest


def planned_manifest(recognizer: Recognizer) -> Manifest:
    """What `manifest_of` would give now, by the rows alone: nothing is written, and no file is fetched or looked at.

    Near-duplicates that nobody has looked for yet count as different pictures.

    Raises: TooFewPictures.
    """
    pictures = recognizer.pictures.order_by("pk")
    rows = pictures.values_list("sha256", "sha256", "label__key", "group", "split")
    return make_manifest(Path(), rows, shares_of(recognizer))


def split_anew(recognizer: Recognizer) -> None:
    """Forget every picture's side and group; the next training looks for near-duplicates and splits again.

    Versions trained before may have learned from what then is the test: their figures cannot be compared any more.
    """
    recognizer.pictures.update(split="", group="")


def shares_of(recognizer: Recognizer) -> Shares:
    return Shares(recognizer.validation_share, recognizer.test_share)


def _sample_of(picture: Picture) -> Sample:
    file = picture.file.removeprefix("pictures/")
    return Sample(file, picture.sha256, picture.label.key, picture.group, picture.split)


def _keep_sides(pictures: list[Picture], manifest: Manifest) -> None:
    sides = {entry.sha256: entry.split for entry in manifest.entries}
    moved = [each for each in pictures if each.split != sides[each.sha256]]
    for each in moved:
        each.split = sides[each.sha256]
    Picture.objects.bulk_update(moved, ["split"], batch_size=ROWS_AT_ONCE)


def _ingest(member: Member) -> Ingested:
    if not member.class_name:
        raise UnreadablePicture(
            N_("The file lies in no class folder. Put each picture into a folder named after what it shows.")
        )
    if len(member.class_name) > MAX_KEY:
        raise UnreadablePicture(
            N_("The class folder's name is longer than %(limit)d characters. Shorten it."), limit=MAX_KEY
        )
    return ingest(member.read())


def _duplicate(present: Picture) -> DuplicatePicture:
    return DuplicatePicture(
        N_("The same picture is here already: “%(name)s” under “%(label)s”."),
        name=present.original_name,
        label=present.label.key,
    )


def _batched(members: Iterable[Member], size: int) -> Iterator[tuple[Member, ...]]:
    """As itertools.batched of Python 3.12."""
    iterator = iter(members)
    while some := tuple(itertools.islice(iterator, size)):
        yield some
