"""Which side of the split a picture is on: by class in the same shares, near-duplicates together, and for good."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
HELD_BACK: tuple[Split, ...] = ("test", "validation")  # in the order in which they are filled


@dataclass(frozen=True)
class Shares:
    """How much of each class is held back; the rest is for training."""

    validation: float = 0.15
    test: float = 0.15


class Sample(NamedTuple):
    """One picture as it is split; `group` and `split` are empty where nobody looked, and where it has no side yet."""

    file: str
    sha256: str  # of its pixels
    class_name: str
    group: str = ""  # near-duplicates share one
    split: str = ""


@dataclass
class Unit:
    """Pictures that stay together: near-duplicates, or a single picture."""

    key: str  # decides the order; depends neither on file names nor on the order of uploads
    sizes: Counter[str]  # pictures by class: a near-duplicate may be labelled otherwise
    split: Split | None = None

    @property
    def class_name(self) -> str:
        """That of most of its pictures; the first by name where several have as many."""
        return min(self.sizes, key=lambda name: (-self.sizes[name], name))

    @property
    def size(self) -> int:
        return self.sizes.total()


def assign_splits(samples: Sequence[Sample], shares: Shares) -> list[Split]:
    """The side of every picture, in the order of `samples`.

    - A picture that has a side stays on it, and new pictures fill the sides that lack some; so what a version was
      tested on stays unseen by the next one.
    - Near-duplicates are on one side, whatever that costs the shares. A group that joins two sides, because a new
      picture resembles one of each, moves to training: it has been seen there.
    - A class of three groups or more is on every side. Of two groups one goes to training and one to the test, a single
      group goes to training: such a class is learned, but its test figures rest on nothing or next to nothing.
    - The order of pictures without a side is that of a hash of their pixels: the same pictures are split alike.
    """
    units = _units(samples)
    by_class: dict[str, list[Unit]] = defaultdict(list)
    for unit in units.values():
        by_class[unit.class_name].append(unit)
    for some in by_class.values():
        _fill(sorted(some, key=lambda unit: unit.key), shares)
    return [units[_unit_name(sample)].split or "train" for sample in samples]


def _unit_name(sample: Sample) -> str:
    return sample.group or f"alone:{sample.sha256}"


def _units(samples: Iterable[Sample]) -> dict[str, Unit]:
    members: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        members[_unit_name(sample)].append(sample)
    return {name: _unit(some) for name, some in members.items()}


def _unit(members: list[Sample]) -> Unit:
    splits = {each.split for each in members} & set(SPLITS)
    split: Split | None = None
    if splits:
        split = next((each for each in SPLITS if splits == {each}), "train")
    return Unit(order_of(min(each.sha256 for each in members)), Counter(each.class_name for each in members), split)


def order_of(sha256: str) -> str:
    """A key to sort pictures by in an order that says nothing about them."""
    return hashlib.sha256(f"1:{sha256}".encode()).hexdigest()


def _fill(units: list[Unit], shares: Shares) -> None:
    """Give every unit of one class its side."""
    total = sum(unit.size for unit in units)
    for split, target in zip(HELD_BACK, _targets(total, shares), strict=True):
        held = [unit for unit in units if unit.split == split]
        count = sum(unit.size for unit in held)
        for unit in _free(units, split):
            if count + unit.size / 2 <= target:
                unit.split = split
                count += unit.size
        if not count and (free := list(_free(units, split))):
            min(free, key=lambda unit: unit.size).split = split
    for unit in units:
        unit.split = unit.split or "train"


def _free(units: list[Unit], split: Split) -> Iterator[Unit]:
    """Units without a side that this one may take: some are left for the sides that come after it and have none."""
    later = {"test": ("validation", "train"), "validation": ("train",)}[split]
    taken = {unit.split for unit in units}
    needed = sum(each not in taken for each in later)
    free = [unit for unit in units if unit.split is None]
    if split == "test" and len(free) == 2 and needed == 2:
        needed = 1  # rather a test without validation
    yield from free[: max(0, len(free) - needed)]


def _targets(total: int, shares: Shares) -> tuple[int, int]:
    """Pictures of a class for the test and for validation."""
    return max(1, round(total * shares.test)), max(1, round(total * shares.validation))
