"""What is sent: files that are good, and what becomes of them. The same seed and number give the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageCms

from tests.drawings import draw, encoded, zipped

PAGE, API, ZIP = "page", "api", "zip"
SHARE_OF_ZIPS = 0.02
HOW_MANY_CHANGES = (1, 1, 1, 2, 4)
EXTREMES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\1\0\0")
TABLE = b"file,group\n0.png,one\n1.jpg,one\n2.webp,two\n"


@dataclass(frozen=True)
class Case:
    """One file and where it goes."""

    number: int
    entrance: str
    data: bytes


def make_case(seed: int, number: int) -> Case:
    rng = random.Random(f"{seed}-{number}")
    if rng.random() < SHARE_OF_ZIPS:
        return Case(number, ZIP, changed_zip(rng))
    return Case(number, rng.choice((PAGE, API)), changed_picture(rng))


def changed_picture(rng: random.Random) -> bytes:
    return changed(rng.choice(good_pictures()), rng, rng.choice(good_pictures()))


def changed_zip(rng: random.Random) -> bytes:
    """A zip with some good and some changed members, which may itself be changed."""
    members = {"groups.csv": changed(TABLE, rng, TABLE) if rng.random() < 0.3 else TABLE}
    for number in range(rng.randrange(2, 8)):
        label, ending = rng.choice(("0", "1", "neu/新", "..")), rng.choice(("png", "jpg", "webp", "txt"))
        number_drawn = rng.randrange(10**6)
        good = encoded(draw("circle", number_drawn), rng.choice(("PNG", "JPEG", "WEBP")))
        members[f"{label}/{number}.{ending}"] = changed_picture(rng) if rng.random() < 0.5 else good
    data = zipped(members)
    return changed(data, rng, data) if rng.random() < 0.5 else data


def changed(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """The bytes with a few changes.

    Args:
        other: bytes of the same kind, of which some may be taken.
    """
    for _ in range(rng.choice(HOW_MANY_CHANGES)):
        data = rng.choice(CHANGES)(data, rng, other)
    return data


def _flip(data: bytes, rng: random.Random, other: bytes) -> bytes:
    many = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64)) if data else 0):
        many[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(many)


def _overwrite(data: bytes, rng: random.Random, other: bytes) -> bytes:
    at, extreme = _place(data, rng), rng.choice(EXTREMES)
    return data[:at] + extreme + data[at + len(extreme) :]


def _cut_out(data: bytes, rng: random.Random, other: bytes) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + rng.choice((1, 2, 16, 300)) :]


def _cut_off(data: bytes, rng: random.Random, other: bytes) -> bytes:
    return data[: _place(data, rng)]


def _repeat(data: bytes, rng: random.Random, other: bytes) -> bytes:
    at, length = _place(data, rng), rng.choice((1, 8, 100, 3000))
    return data[:at] + data[at : at + length] * rng.choice((2, 3, 50)) + data[at + length :]


def _insert(data: bytes, rng: random.Random, other: bytes) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.randbytes(rng.choice((1, 4, 200))) + data[at:]


def _splice(data: bytes, rng: random.Random, other: bytes) -> bytes:
    return data[: _place(data, rng)] + other[_place(other, rng) :]


CHANGES: tuple[Callable[[bytes, random.Random, bytes], bytes], ...] = (
    *(_flip, _overwrite, _cut_out, _cut_off, _repeat, _insert, _splice),
    *(_flip, _overwrite),  # these leave the most of the file to be read
)


def _place(data: bytes, rng: random.Random) -> int:
    """Somewhere in the bytes, as often as not where their headers are."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 100)
    return rng.randrange(end) if end else 0


@cache
def good_pictures() -> tuple[bytes, ...]:
    """One of each kind that is taken."""
    small, large = draw("square", 1, side=90), draw("circle", 2, side=1600)
    see_through, exif = small.convert("RGBA"), Image.Exif()
    see_through.putalpha(120)
    exif[0x0112] = 6  # turned
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    modes = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    jpegs = [encoded(small.convert(mode), "JPEG", quality=80) for mode in ("L", "RGB", "CMYK")]
    return (
        *jpegs,
        encoded(small, "JPEG", progressive=True, subsampling=0, exif=exif, icc_profile=profile),
        encoded(large, "JPEG", progressive=True),
        encoded(small, "JPEG", restart_marker_blocks=1),
        encoded(small, "MPO", save_all=True, append_images=[draw("square", 3, side=90)]),
        *(encoded(_in_mode(small, mode), "PNG") for mode in modes),
        encoded(small.quantize(16), "PNG", transparency=3),
        encoded(large, "PNG", compress_level=1, icc_profile=profile),
        encoded(small, "WEBP", quality=60),
        encoded(small, "WEBP", lossless=True, exif=exif),
        encoded(see_through, "WEBP", lossless=True),
        encoded(see_through, "WEBP", quality=40, icc_profile=profile),
    )


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    return picture.convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)
