"""Generated pictures: a bright circle or square on a dark ground, each one different."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from training.data.images import ingest

SHAPES = ("circle", "square")


def draw(shape: str, number: int, *, side: int = 40) -> Image.Image:
    """One picture of a shape; the number says which, and no two numbers give the same pixels."""
    rng = random.Random(f"{shape}{number}")
    picture = Image.new("RGB", (side, side), tuple(rng.randrange(0, 70) for _ in range(3)))
    left, top = (rng.randrange(2, side // 3) for _ in range(2))
    size = rng.randrange(side // 2, side * 2 // 3)
    colour = tuple(rng.randrange(150, 256) for _ in range(3))
    pen = ImageDraw.Draw(picture)
    box = (left, top, left + size, top + size)
    pen.ellipse(box, fill=colour) if shape == "circle" else pen.rectangle(box, fill=colour)
    return picture


def encoded(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def kept_drawings(folder: Path, count: int) -> list[tuple[str, str, str]]:
    """So many pictures of each shape as a recognizer keeps them, for `make_manifest`: file, SHA-256, class."""
    pictures = []
    for shape in SHAPES:
        for number in range(count):
            kept = ingest(encoded(draw(shape, number)))
            (folder / f"{shape}-{number}.webp").write_bytes(kept.data)
            pictures.append((f"{shape}-{number}.webp", kept.sha256, shape))
    return pictures


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip of these members, in order."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def shapes_zip(count: int, *, folder: str = "shapes") -> bytes:
    """A zip with `count` pictures in each class folder."""
    return zipped(
        {f"{folder}/{shape}/{number}.png": encoded(draw(shape, number)) for shape in SHAPES for number in range(count)}
    )
