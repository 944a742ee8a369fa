"""The manifest of a recognizer's pictures as they are split now, and the one that a run keeps."""

from __future__ import annotations

from pathlib import Path

from django.db import transaction

from training import storage
from training.data.manifest import Manifest, make_manifest
from training.data.splitting import Sample, Shares
from training.library.duplicates import group_pictures
from training.models import Picture, Recognizer, TrainingRun

ROWS_AT_ONCE = 500  # in one statement


def manifest_of_run(run: TrainingRun) -> Manifest:
    """The pictures and the split of a run, kept from its first attempt on: what it has learned fits no other.

    Raises: TooFewPictures.
    """
    kept = _kept_manifest(run)
    if kept:
        return kept
    manifest = manifest_of(run.recognizer)
    storage.forget(run.manifest_file)
    storage.keep_bytes(manifest.to_json().encode(), run.manifest_file)
    return manifest


def _kept_manifest(run: TrainingRun) -> Manifest | None:
    """The manifest of an earlier attempt; none where there was none, or where a picture of it has been deleted."""
    path = storage.local_path(run.manifest_file)
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

    Raises: TooFewPictures; BrokenArtifact where a picture's file is missing.
    """
    group_pictures(recognizer)
    with transaction.atomic():
        Recognizer.objects.select_for_update().get(pk=recognizer.pk)
        pictures = list(recognizer.pictures.exclude(group="").select_related("label").order_by("pk"))
        manifest = make_manifest(storage.local_path("pictures"), map(_sample_of, pictures), shares_of(recognizer))
        _keep_splits(pictures, manifest)
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


def planned_manifest_of_files(recognizer: Recognizer) -> Manifest:
    """The same with the pictures' files, which are not fetched. Raises: TooFewPictures."""
    pictures = recognizer.pictures.select_related("label").order_by("pk")
    return make_manifest(storage.local_path("pictures"), map(_sample_of, pictures), shares_of(recognizer))


def make_new_split(recognizer: Recognizer) -> None:
    """Forget every picture's side and group; the next training looks for near-duplicates and splits again.

    Versions trained before may have learned from what then is the test: their figures cannot be compared any more.
    """
    recognizer.pictures.update(split="", group="")


def shares_of(recognizer: Recognizer) -> Shares:
    return Shares(recognizer.validation_share, recognizer.test_share)


def _sample_of(picture: Picture) -> Sample:
    file = picture.file.removeprefix("pictures/")
    return Sample(file, picture.sha256, picture.label.key, picture.group, picture.split)


def _keep_splits(pictures: list[Picture], manifest: Manifest) -> None:
    splits = {entry.sha256: entry.split for entry in manifest.entries}
    moved = [each for each in pictures if each.split != splits[each.sha256]]
    for each in moved:
        each.split = splits[each.sha256]
    Picture.objects.bulk_update(moved, ["split"], batch_size=ROWS_AT_ONCE)
