"""Near-duplicates: which pictures show the very same, and the groups that they make.

By perceptual hash first, then the pictures themselves are laid over one another. Resized, compressed again, cut at the
edges or mirrored, a picture is still the same; two photos of one kind of thing are not.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.data import perceptual_hashes, registration
from training.data.images import load_small
from training.data.perceptual_hashes import Pairs

SAME = 0.06  # difference up to which two pictures are one, see registration.compare
SAME_SMALL = 0.09  # where one of them is a thumbnail: compressing it changes more
MAYBE = 0.19  # and up to here where nothing else comes near: eye grounds and digits all resemble one another
CLEARLY = 1.5  # times as far away has everything else to be
SMALL = 48  # pixels of the smaller side
SIDES = (12, 16, 20, 24, 32, 40, 48, 64)  # both pictures of a pair are made as small as the smaller one
LARGEST_SHARE = 0.1  # of all pictures in one group, so that no chain of likenesses joins half of them,
LARGEST_AT_LEAST = 50  # but as many as this may be,
EXACT = 0.04  # and any number where each is the same as another beyond doubt
PAIRS_AT_ONCE = 256


class Link(NamedTuple):
    """Two pictures that are near-duplicates, by their positions."""

    difference: float
    first: int
    second: int


class Looked(NamedTuple):
    """What is needed of a picture to compare it."""

    path: Path
    side: int  # the smaller one, in pixels
    perceptual_hashes: str
    is_fresh: bool = True  # it has been compared with none


def near_duplicates(pictures: Sequence[Looked], advance: Callable[[float], object] = bool) -> list[Link]:
    """Links between pictures that are near-duplicates, the surest first; at least one of each pair is fresh."""
    if not pictures:
        return []
    hashes = perceptual_hashes.read([each.perceptual_hashes for each in pictures])
    pairs = perceptual_hashes.candidates(hashes, np.array([each.is_fresh for each in pictures]))
    return sorted(_links(pictures, pairs, _differences(pictures, pairs, advance)))


def _differences(pictures: Sequence[Looked], pairs: Pairs, advance: Callable[[float], object]) -> NDArray[np.float32]:
    """How much each pair differs, shape (m,)."""
    smaller = np.array([each.side for each in pictures])
    sides = np.minimum(smaller[pairs.first], smaller[pairs.second])
    through = np.array(SIDES)[np.searchsorted(SIDES, sides, side="right").clip(1) - 1]
    difference = np.full(len(sides), np.inf, dtype=np.float32)
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for side in np.unique(through):
            wanted = np.flatnonzero(through == side)
            pixels = _Pixels(pictures, pairs, wanted, int(side), pool)
            batches = [wanted[at : at + PAIRS_AT_ONCE] for at in range(0, len(wanted), PAIRS_AT_ONCE)]
            for batch, found in zip(batches, pool.map(pixels.compare, batches), strict=True):
                difference[batch] = found
                done += len(batch)
                advance(done / len(sides))
    return difference


class _Pixels:
    """The pictures of some pairs, each decoded once."""

    def __init__(
        self, pictures: Sequence[Looked], pairs: Pairs, wanted: NDArray[np.intp], side: int, pool: ThreadPoolExecutor
    ) -> None:
        self.pairs = pairs
        positions = np.union1d(pairs.first[wanted], pairs.second[wanted])
        self.row = {int(position): row for row, position in enumerate(positions)}
        paths = [pictures[position].path for position in positions]
        decoded = pool.map(lambda path: load_small(path, registration.SIDE, through=side), paths)
        self.pixels = np.stack(list(decoded))

    def compare(self, batch: NDArray[np.intp]) -> NDArray[np.float32]:
        first = self.pixels[[self.row[int(each)] for each in self.pairs.first[batch]]]
        second = self.pixels[[self.row[int(each)] for each in self.pairs.second[batch]]]
        is_mirrored = self.pairs.is_mirrored[batch]
        second[is_mirrored] = second[is_mirrored][:, :, ::-1]
        return registration.compare(first, second)


def _links(pictures: Sequence[Looked], pairs: Pairs, difference: NDArray[np.float32]) -> Iterator[Link]:
    """Pairs that are the same beyond doubt, and those that resemble one another and nothing else."""
    sides = np.array([each.side for each in pictures])
    is_small = np.minimum(sides[pairs.first], sides[pairs.second]) < SMALL
    is_same = difference <= np.where(is_small, SAME_SMALL, SAME)
    groups = Groups(len(pictures))
    for at in np.flatnonzero(is_same):
        groups.join(pairs.first[at], pairs.second[at])
        yield Link(float(difference[at]), int(pairs.first[at]), int(pairs.second[at]))
    nearest: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for at in np.flatnonzero(np.isfinite(difference)):
        one, other = int(pairs.first[at]), int(pairs.second[at])
        nearest[one].append((float(difference[at]), other))
        nearest[other].append((float(difference[at]), one))
    for at in np.flatnonzero(~is_same & (difference <= MAYBE)):
        one, other, away = int(pairs.first[at]), int(pairs.second[at]), float(difference[at])
        own = {groups.find(one), groups.find(other)}
        rest = (far for far, third in [*nearest[one], *nearest[other]] if groups.find(third) not in own)
        if min(rest, default=np.inf) >= CLEARLY * away:
            yield Link(away, one, other)


class Groups:
    """Which positions belong together, as they are joined one pair after the other."""

    def __init__(self, count: int, sources: Sequence[str] = ()) -> None:
        """`sources`: what each picture shows where the import said so; groups that show different things stay apart."""
        self.parents = list(range(count))
        self.sizes = [1] * count
        self.sources = list(sources) or [""] * count

    def find(self, position: int) -> int:
        """The position that stands for its group."""
        while self.parents[position] != position:
            self.parents[position] = self.parents[self.parents[position]]
            position = self.parents[position]
        return position

    def join(self, one: int, other: int, *, largest: float = np.inf) -> None:
        """Make two groups one, unless it would be larger than allowed, or the import said that they are two."""
        one, other = self.find(one), self.find(other)
        named = {self.sources[one], self.sources[other]} - {""}
        if one != other and self.sizes[one] + self.sizes[other] <= largest and len(named) < 2:
            self.parents[other] = one
            self.sizes[one] += self.sizes[other]
            self.sources[one] = max(named, default="")


def joined(count: int, links: Iterable[Link], groups: Groups | None = None) -> Groups:
    """Groups of near-duplicates: the surest links first, and none that makes a group of half a data set.

    Args:
        groups: those there are already; they are added to.
    """
    groups = groups or Groups(count)
    largest = max(LARGEST_AT_LEAST, LARGEST_SHARE * count)
    for link in links:
        groups.join(link.first, link.second, largest=np.inf if link.difference <= EXACT else largest)
    return groups
