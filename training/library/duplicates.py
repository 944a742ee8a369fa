"""Near-duplicates among a recognizer's pictures: looked for, and given one group that the split keeps together."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import transaction

from training.data.images import perceptual_hashes_of
from training.data.near_duplicates import Groups, Link, Looked, joined, near_duplicates
from training.library.deleted_pictures import without_deleted
from training.models import Picture, Recognizer

ROWS_AT_ONCE = 500


def group_pictures(recognizer: Recognizer, advance: Callable[[float], object] = bool) -> None:
    """Look for near-duplicates of the pictures that have no group yet, and write down every picture's group.

    What is found is added to the groups there are: nothing leaves its group. Pictures that the import gave the same
    source are in one group as well, and what it gave different sources stays apart: it knows better what is one object.
    It can be called by two at a time; both find the same.

    Args:
        advance: told the share that is done.
    Raises: BrokenArtifact where a picture's file is missing.
    """
    without_deleted(recognizer, lambda: _group(recognizer, advance))


def _group(recognizer: Recognizer, advance: Callable[[float], object]) -> None:
    pictures = list(recognizer.pictures.order_by("pk"))
    if all(each.group for each in pictures):
        return
    _keep_perceptual_hashes([each for each in pictures if not each.perceptual_hashes])
    looked = [
        Looked(each.path, min(each.width, each.height), each.perceptual_hashes, not each.group) for each in pictures
    ]
    links = near_duplicates(looked, advance)
    with transaction.atomic():
        Recognizer.objects.select_for_update().get(pk=recognizer.pk)
        _keep_groups(pictures, links)


def _keep_perceptual_hashes(pictures: list[Picture]) -> None:
    """Those taken in before there were perceptual hashes get theirs."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        hashed = pool.map(lambda each: perceptual_hashes_of(each.path), pictures)
        for picture, found in zip(pictures, hashed, strict=True):
            picture.perceptual_hashes = found
    Picture.objects.bulk_update(pictures, ["perceptual_hashes"], batch_size=ROWS_AT_ONCE)


def _keep_groups(pictures: list[Picture], links: list[Link]) -> None:
    """Write the group of every picture; one that another process has found meanwhile is joined with ours."""
    present = dict(pictures[0].recognizer.pictures.values_list("pk", "group"))
    pictures_left = [(at, each) for at, each in enumerate(pictures) if each.pk in present]
    groups = Groups(len(pictures), [each.source for each in pictures])
    for name in ("source", "group"):
        first: dict[str, int] = {}
        for at, each in pictures_left:
            value = present[each.pk] if name == "group" else each.source
            if value:
                groups.join(first.setdefault(value, at), at)
    joined(len(pictures), links, groups)
    members: dict[int, list[Picture]] = defaultdict(list)
    for at, each in pictures_left:
        members[groups.find(at)].append(each)
    moved = []
    for some in members.values():
        known = Counter(present[each.pk] for each in some if present[each.pk])
        group = min(known, default="") or min(each.sha256 for each in some)
        moved += [each for each in some if present[each.pk] != group]
        for each in some:
            each.group = group
    Picture.objects.bulk_update(moved, ["group"], batch_size=ROWS_AT_ONCE)
