"""The pictures of one run: which file, which class, which side of the split. Written once, never changed."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig
from training.errors import N_, TooFewPictures

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
MIN_CLASSES = 2
MIN_PICTURES_PER_CLASS = 3  # one for each side of the split


@dataclass(frozen=True)
class Entry:
    """One picture of a run."""

    file: str  # where its bytes lie, below the manifest's root
    sha256: str  # of its pixels
    label: int  # index into class_names
    split: Split


@dataclass(frozen=True)
class Manifest:
    """All pictures of a run, in a fixed order."""

    root: str
    class_names: list[str]
    entries: list[Entry]

    @property
    def sha256(self) -> str:
        """Names the pictures, their labels and the split, wherever the files lie."""
        lines = [f"{each.sha256} {self.class_names[each.label]} {each.split}" for each in self.entries]
        return hashlib.sha256("\n".join([*self.class_names, *lines]).encode()).hexdigest()

    def count(self, split: Split) -> int:
        return sum(each.split == split for each in self.entries)

    def positions(self, split: Split) -> NDArray[np.intp]:
        """Indices into `entries`, shape (count(split),)."""
        return np.array([i for i, each in enumerate(self.entries) if each.split == split], dtype=np.intp)

    def labels(self) -> NDArray[np.int32]:
        """Class index of every entry, shape (len(entries),)."""
        return np.array([each.label for each in self.entries], dtype=np.int32)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, root: Path) -> Self:
        """A manifest that was written, perhaps on another host, over the files below `root`."""
        stored = json.loads(text)
        return cls(str(root), stored["class_names"], [Entry(**each) for each in stored["entries"]])


def make_manifest(root: Path, pictures: Iterable[tuple[str, str, str]], config: TrainingConfig) -> Manifest:
    """Split pictures by class into training, validation and test, each class in the same shares.

    Within a class the order is that of a hash of seed and pixels, so the split depends neither on file names nor on the
    order of uploads, and a picture added later moves few others.

    Args:
        root: the folder below which the files lie.
        pictures: file, SHA-256 of the pixels and class name of each picture.
    Raises: TooFewPictures if there are fewer than 2 classes, or a class has fewer than 3 pictures.
    """
    by_class: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for file, sha256, class_name in pictures:
        by_class[class_name].append((sha256, file))
    _check_classes(by_class)

    class_names = sorted(by_class)
    entries = []
    for label, class_name in enumerate(class_names):
        shuffled = sorted(by_class[class_name], key=lambda each: _shuffle_key(config.seed, each[0]))
        splits = _splits(len(shuffled), config)
        entries += [Entry(file, sha256, label, split) for (sha256, file), split in zip(shuffled, splits, strict=True)]
    return Manifest(str(root), class_names, entries)


def _shuffle_key(seed: int, sha256: str) -> str:
    return hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()


def _splits(count: int, config: TrainingConfig) -> Sequence[Split]:
    test = min(max(1, round(count * config.test_share)), count - 2)  # leaves one for each other side
    validation = min(max(1, round(count * config.validation_share)), count - test - 1)
    shares: list[tuple[Split, int]] = [("test", test), ("validation", validation), ("train", count - test - validation)]
    return [split for split, number in shares for _ in range(number)]


def _check_classes(by_class: dict[str, list[tuple[str, str]]]) -> None:
    if len(by_class) < MIN_CLASSES:
        raise TooFewPictures(
            N_(
                "There are pictures of %(count)d class; training needs at least %(min)d. Add pictures of another class."
            ),
            count=len(by_class),
            min=MIN_CLASSES,
        )
    thin = sorted(name for name, files in by_class.items() if len(files) < MIN_PICTURES_PER_CLASS)
    if thin:
        raise TooFewPictures(
            N_(
                "Too few pictures of: %(classes)s. Each class needs at least %(min)d, one each for training, "
                "validation and test. Add pictures or remove the class."
            ),
            classes=", ".join(thin),
            min=MIN_PICTURES_PER_CLASS,
        )
