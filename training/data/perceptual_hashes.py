"""A picture's perceptual hashes, together in one string: of it, of its mirror image and of crops of it.

The hash is pHash (Zauner 2010, as the imagehash library computes it): the signs of the 64 lowest frequencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 96  # of the grey picture that is hashed, in pixels
CROP = 0.95  # side of a crop, as a share of the picture's
BITS = 64
WHOLE, MIRRORED, FIRST_CROP = 0, 1, 2
PLACES = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5))  # of the crops: corners and middle
HASHES = FIRST_CROP + len(PLACES)
FAR = 11  # differing bits from which on two pictures are not compared; crops to 95 % differ by fewer
NEIGHBOURS = 24  # at most, that a picture is compared with
ROWS_AT_ONCE = 512

Hashes = NDArray[np.float32]  # (n, HASHES, BITS), each bit -1 or 1


class Pairs(NamedTuple):
    """Pairs of pictures by their positions, each of shape (m,)."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]  # larger than the first
    is_mirrored: NDArray[np.bool_]  # the mirror image of the second resembles the first


def hash_picture(luma: NDArray[np.uint8]) -> str:
    """The hashes of a grey picture of shape (SIDE, SIDE), as hexadecimal digits."""
    import imagehash  # a fifth of a second, only where pictures come in

    side = round(CROP * SIDE)
    spare = SIDE - side
    crops = [luma[round(y * spare) :, round(x * spare) :][:side, :side] for x, y in PLACES]
    views = [luma, luma[:, ::-1], *crops]
    return "".join(str(imagehash.phash(Image.fromarray(np.ascontiguousarray(view)))) for view in views)


def read(written: Sequence[str]) -> Hashes:
    """The bits of the hashes of many pictures."""
    raw = bytes.fromhex("".join(written))
    bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8)).reshape(len(written), HASHES, BITS)
    hashes: Hashes = bits.astype(np.float32) * np.float32(2) - np.float32(1)
    return hashes


def candidates(hashes: Hashes, fresh: NDArray[np.bool_]) -> Pairs:
    """Pairs that may be near-duplicates, at least one of each fresh.

    A picture is compared with the others, their mirror images and crops, by matrix products: ten thousand pictures take
    seconds. Of more than NEIGHBOURS that resemble it the nearest are named, so what follows grows no faster than n.

    Args:
        fresh: shape (n,), true for pictures that have been compared with none.
    """
    found: dict[tuple[int, int], bool] = {}
    positions = np.flatnonzero(fresh)
    for begin in range(0, len(positions), ROWS_AT_ONCE):
        some = positions[begin : begin + ROWS_AT_ONCE]
        plain, mirrored = _distances(hashes, some, WHOLE), _distances(hashes, some, MIRRORED)
        distance = np.minimum(plain, mirrored)
        distance[np.arange(len(some)), some] = BITS  # from itself
        nearest = np.argpartition(distance, min(NEIGHBOURS, len(hashes) - 1), axis=1)[:, :NEIGHBOURS]
        is_near = np.take_along_axis(distance, nearest, axis=1) < FAR
        for row, column in np.argwhere(is_near):
            one, other = int(some[row]), int(nearest[row, column])
            found[min(one, other), max(one, other)] = bool(mirrored[row, other] < plain[row, other])
    both = np.array(list(found), dtype=np.intp).reshape(-1, 2)
    return Pairs(both[:, 0], both[:, 1], np.array(list(found.values()), dtype=np.bool_))


def _distances(hashes: Hashes, some: NDArray[np.intp], view: int) -> NDArray[np.float32]:
    """Differing bits between some pictures, as they are or mirrored, and all; shape (len(some), n).

    Mirroring both changes no distance, so a mirrored picture meets the crops of another as that one's mirror image
    meets its crops.
    """
    whole = [hashes[some, view] @ hashes[:, WHOLE].T]
    theirs = [hashes[some, view] @ hashes[:, crop].T for crop in range(FIRST_CROP, HASHES)]
    ours = [hashes[some, crop] @ hashes[:, view].T for crop in range(FIRST_CROP, HASHES)]
    agreement: NDArray[np.float32] = np.maximum.reduce([*whole, *theirs, *ours])
    return (np.float32(BITS) - agreement) / np.float32(2)
