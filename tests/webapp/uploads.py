"""Files that a visitor may send and that are no picture we accept."""

from __future__ import annotations

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from tests.drawings import draw, encoded

BAD_FILES = {
    "text named .jpg": (lambda: b"hello", 400, "not a picture"),
    "0 bytes": (lambda: b"", 400, "empty"),
    "cut off": (lambda: encoded(draw("circle", 1), "JPEG")[:300], 400, "damaged"),
    "animated": (lambda: animated(), 400, "animated"),
    "GIF": (lambda: encoded(draw("circle", 1), "GIF"), 400, "not a picture"),
    "41 megapixels": (lambda: encoded(Image.new("1", (6400, 6500))), 400, "40 megapixels"),
    "a line": (lambda: encoded(Image.new("1", (500, 2))), 400, "500 × 2 pixels"),
    "over 10 MB": (lambda: b"x" * 10_000_001, 413, "larger than 10 MB"),
    "far over 10 MB": (lambda: b"x" * 10_200_000, 413, "larger than 10 MB"),
}


def animated() -> bytes:
    return encoded(draw("circle", 1), "PNG", save_all=True, append_images=[draw("circle", 2)])


def upload(data: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, "image/jpeg")
