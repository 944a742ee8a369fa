"""The pictures of one run: which file, which class, which side of the split. Written once, never changed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from training.data.splitting import Sample, Shares, Split, assign_splits, order_of
from training.errors import TooFewPictures
from training.messages import N_

DEFAULT_SHARES = Shares()
MIN_CLASSES = 2
MIN_PICTURES_PER_CLASS = 2  # one to learn from, one for the test


@dataclass(frozen=True)
class Entry:
    """One picture of a run."""

    file: str  # where its bytes lie, below the manifest's root
    sha256: str  # of its pixels
    label: int  # index into class_names
    split: Split
    group: str = ""  # near-duplicates share one; empty where nobody looked


@dataclass(frozen=True)
class Manifest:
    """All pictures of a run, in a fixed order."""

    root: str
    class_names: list[str]
    entries: list[Entry]

    @property
    def sha256(self) -> str:
        """Names the pictures, their labels, the split and the groups, wherever the files lie."""
        lines = [f"{each.sha256} {self.class_names[each.label]} {each.split} {each.group}" for each in self.entries]
        return hashlib.sha256("\n".join([*self.class_names, *lines]).encode()).hexdigest()

    def count(self, split: Split) -> int:
        return sum(each.split == split for each in self.entries)

    def positions(self, split: Split) -> NDArray[np.intp]:
        """Indices into `entries`, shape (count(split),)."""
        return np.array([i for i, each in enumerate(self.entries) if each.split == split], dtype=np.intp)

    def labels(self) -> NDArray[np.int32]:
        """Class index of every entry, shape (len(entries),)."""
        return np.array([each.label for each in self.entries], dtype=np.int32)

    def groups(self) -> NDArray[np.str_]:
        """What near-duplicates of each entry share, shape (len(entries),); a picture alone has a name of its own."""
        return np.array([each.group or each.sha256 for each in self.entries])

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, root: Path) -> Self:
        """A manifest that was written, perhaps on another host, over the files below `root`."""
        stored = json.loads(text)
        return cls(str(root), stored["class_names"], [Entry(**each) for each in stored["entries"]])


def make_manifest(root: Path, pictures: Iterable[tuple[str, ...]], shares: Shares = DEFAULT_SHARES) -> Manifest:
    """Split pictures by class into training, validation and test; near-duplicates stay together.

    Within a class the order is that of a hash of the pixels, so it depends neither on file names nor on the order of
    uploads.

    Args:
        root: the folder below which the files lie.
        pictures: file, SHA-256 of the pixels and class name of each picture; where known its group and its side.
    Raises: TooFewPictures if there are fewer than 2 classes, a class has fewer than 2 pictures, or there is none to
        learn from or none for the test. There may be none for validation.
    """
    samples = [Sample(*each) for each in pictures]
    _check_classes(samples)
    samples.sort(key=lambda each: (each.class_name, order_of(each.sha256)))
    splits = assign_splits(samples, shares)
    _check_splits(splits)
    class_names = sorted({each.class_name for each in samples})
    numbers = {name: number for number, name in enumerate(class_names)}
    entries = [
        Entry(each.file, each.sha256, numbers[each.class_name], split, each.group)
        for each, split in zip(samples, splits, strict=True)
    ]
    return Manifest(str(root), class_names, entries)


def _check_classes(samples: list[Sample]) -> None:
    sizes = Counter(each.class_name for each in samples)
    if len(sizes) < MIN_CLASSES:
        raise TooFewPictures(
            N_(
                "There are pictures of %(count)d class; training needs at least %(min)d. Add pictures of another class."
            ),
            count=len(sizes),
            min=MIN_CLASSES,
        )
    thin = sorted(name for name, size in sizes.items() if size < MIN_PICTURES_PER_CLASS)
    if thin:
        raise TooFewPictures(
            N_(
                "Too few pictures of: %(classes)s. Each class needs at least %(min)d: one to learn from and one it "
                "never sees. Add pictures or remove the class."
            ),
            classes=", ".join(thin),
            min=MIN_PICTURES_PER_CLASS,
        )


def _check_splits(splits: list[Split]) -> None:
    if not {"train", "test"} <= set(splits):
        raise TooFewPictures(
            N_(
                "Nearly the same pictures stay together, which leaves none to learn from or none it never sees. Add "
                "pictures that differ more, or make a new split on the page “Look through the pictures”."
            )
        )
