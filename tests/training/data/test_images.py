from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from tests.drawings import draw, encoded
from training.data import images
from training.data.images import (
    KEPT_SIDE,
    Source,
    ingest,
    jpeg_round_trip,
    load_pixels,
    open_picture,
)
from training.errors import UnreadablePicture
from training.limits import MAX_UPLOAD_BYTES

COLLECTED = Path(__file__).parents[4] / "shared" / "bad-images"  # hostile files beside the project, where they are
CORNER = (20, 200, 40)  # marks the upper left of an upright picture


def upright() -> Image.Image:
    """20 wide, 12 high, with a mark in the upper left corner."""
    picture = Image.new("RGB", (20, 12), (230, 230, 230))
    picture.paste(CORNER, (0, 0, 8, 6))
    return picture


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


def animated(format: str) -> bytes:
    frames = [draw("circle", number) for number in range(3)]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:])


def jpeg_turned(orientation: int) -> bytes:
    """The upright picture, stored turned as a camera stores it, with the tag that says how."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright().transpose(undo[orientation]) if orientation in undo else upright()
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(stored, "JPEG", exif=exif, quality=95, subsampling=0)


def of_mode(mode: str, side: int = 30) -> bytes:
    """A PNG, JPEG or WebP in one of the modes that Pillow knows."""
    drawn = draw("circle", 5, side=side)
    if mode == "I;16":
        values = np.asarray(drawn.convert("L"), dtype=np.uint16) * 257
        return encoded(Image.fromarray(values))
    if mode == "CMYK":
        return encoded(drawn.convert("CMYK"), "JPEG")
    if mode == "P with tRNS":
        return encoded(drawn.convert("P"), transparency=3)
    if mode == "RGB with tRNS":
        return encoded(drawn, transparency=drawn.getpixel((0, 0)))
    if mode in ("LA", "RGBA"):
        drawn.putalpha(Image.linear_gradient("L").resize(drawn.size))
    return encoded(drawn.convert(mode))


MODES = ("1", "L", "LA", "P", "P with tRNS", "RGB", "RGB with tRNS", "RGBA", "I;16", "CMYK")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_three_formats_are_taken_by_their_content(format: str) -> None:
    pixels = load_pixels(encoded(draw("circle", 1), format), 24)

    assert pixels.shape == (24, 24, 3)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("kind", ["path", "text path", "bytes", "file"])
def test_a_picture_comes_as_path_bytes_or_file(kind: str, tmp_path: Path) -> None:
    data = encoded(draw("square", 1))
    (tmp_path / "1.png").write_bytes(data)
    sources: dict[str, Source] = {
        "path": tmp_path / "1.png",
        "text path": str(tmp_path / "1.png"),
        "bytes": data,
        "file": io.BytesIO(data),
    }

    assert (load_pixels(sources[kind], 16) == load_pixels(data, 16)).all()


REFUSED = {
    "empty": (lambda: b"", "empty"),
    "too many bytes": (lambda: b"\xff" * (MAX_UPLOAD_BYTES + 1), "larger than 10 MB"),
    "41 megapixels": (lambda: png_header(8200, 5000), "more than 40 megapixels"),
    "200 megapixels": (lambda: png_header(20_000, 10_000), "more than 40 megapixels"),
    "side of 7": (lambda: encoded(Image.new("RGB", (40, 7))), "40 × 7 pixels; each side must have 8 to 12000"),
    "side of 12,001": (lambda: png_header(12_001, 100), "12001 × 100 pixels"),
    "animated GIF": (lambda: animated("GIF"), "JPEG, PNG or WebP"),
    "animated PNG": (lambda: animated("PNG"), "animated"),
    "animated WebP": (lambda: animated("WEBP"), "animated"),
    "still GIF": (lambda: encoded(draw("circle", 1), "GIF"), "JPEG, PNG or WebP"),
    "BMP": (lambda: encoded(draw("circle", 1), "BMP"), "JPEG, PNG or WebP"),
    "SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>', "not a picture"),
    "EPS": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "not a picture"),
    "text": (lambda: b"this is no picture", "not a picture"),
    "truncated JPEG": (lambda: encoded(draw("circle", 1, side=200), "JPEG")[:1500], "damaged or incomplete"),
    "truncated PNG": (lambda: encoded(draw("circle", 1))[:-40], "damaged or incomplete"),
    "PNG without pixels": (lambda: png_header(100, 100), "damaged or incomplete"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_picture_for_us_is_refused_with_its_reason(what: str) -> None:
    make, reason = REFUSED[what]

    with pytest.raises(UnreadablePicture, match=reason):
        ingest(make())


def test_the_smallest_and_the_longest_sides_are_taken() -> None:
    for size in ((8, 8), (12_000, 9)):
        assert load_pixels(encoded(Image.new("RGB", size)), 8).shape == (8, 8, 3)


def test_a_promise_of_too_many_pixels_costs_neither_time_nor_memory() -> None:
    bomb = png_header(10_000, 10_000)

    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(UnreadablePicture):
        ingest(bomb)
    seconds = time.perf_counter() - started
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seconds < 0.5
    assert peak_bytes < 10_000_000


def test_a_file_is_read_no_further_than_the_limit() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"x" * size

    endless = Endless()

    with pytest.raises(UnreadablePicture):
        load_pixels(cast(BinaryIO, endless), 8)

    assert endless.given == MAX_UPLOAD_BYTES + 1


def test_sixteen_bits_are_scaled_and_not_clipped_to_white() -> None:
    ramp = np.linspace(0, 65_535, 64 * 64).astype(np.uint16).reshape(64, 64)

    pixels = load_pixels(encoded(Image.fromarray(ramp)), 64)

    assert 120 < pixels.mean() < 135


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_lies_on_white(mode: str) -> None:
    clear = Image.new("P", (20, 20)) if mode == "P" else Image.new(mode, (20, 20))
    data = encoded(clear, transparency=0) if mode == "P" else encoded(clear)

    assert (load_pixels(data, 16) == 255).all()


def test_cmyk_keeps_its_colours() -> None:
    red = Image.new("RGB", (40, 40), (200, 30, 20)).convert("CMYK")

    pixels = load_pixels(encoded(red, "JPEG", quality=95), 8)

    assert np.abs(pixels.astype(int) - (200, 30, 20)).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_comes_out_upright(orientation: int) -> None:
    picture = open_picture(jpeg_turned(orientation))

    assert picture.size == (20, 12)
    assert np.abs(np.asarray(picture)[2, 2].astype(int) - CORNER).max() < 25


def test_of_a_phones_mpo_the_first_frame_is_the_photo() -> None:
    data = io.BytesIO()
    photo = Image.new("RGB", (40, 40), (200, 30, 20))
    photo.save(data, "MPO", save_all=True, append_images=[Image.new("RGB", (16, 16))])

    pixels = load_pixels(data.getvalue(), 8)

    assert pixels[4, 4, 0] > 180


def test_nothing_of_the_file_survives_but_its_pixels() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = encoded(draw("circle", 1), "JPEG", exif=exif, comment=b"by me", icc_profile=b"profile") + b"behind the end"

    kept = ingest(data).data

    assert not any(word in kept for word in (b"at home", b"by me", b"profile", b"behind the end"))
    with Image.open(io.BytesIO(kept)) as picture:
        assert picture.format == "WEBP"
        assert not {"exif", "icc_profile", "xmp"} & set(picture.info)


def test_a_big_photo_is_kept_smaller() -> None:
    ingested = ingest(encoded(Image.new("RGB", (3000, 2000)), "JPEG"))

    assert (ingested.width, ingested.height) == (KEPT_SIDE, round(KEPT_SIDE * 2 / 3))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", [30, 900])
def test_training_and_answering_see_the_same_pixels(mode: str, side: int) -> None:
    upload = of_mode(mode, side)

    for image_size in (24, 160):
        assert (load_pixels(upload, image_size) == load_pixels(ingest(upload).data, image_size)).all()


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(8, 1500),
    height=st.integers(8, 1500),
    mode=st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    format=st.sampled_from(["PNG", "WEBP", "JPEG"]),
    orientation=st.integers(1, 8),
    image_size=st.sampled_from([8, 31, 96, 224]),
)
def test_whatever_is_kept_gives_the_pixels_of_the_upload(
    width: int, height: int, mode: str, format: str, orientation: int, image_size: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.effect_noise((width, height), 80).convert(mode if format != "JPEG" else mode.rstrip("A"))
    upload = encoded(picture, format, exif=exif)

    kept = ingest(upload).data

    assert (load_pixels(upload, image_size) == load_pixels(kept, image_size)).all()


@pytest.mark.parametrize("size", [(12_000, 8), (8, 12_000), (9000, 20)])
def test_a_long_thin_picture_can_be_read_again_after_it_was_kept(size: tuple[int, int]) -> None:
    upload = encoded(Image.linear_gradient("L").resize(size))

    kept = ingest(upload).data

    assert (load_pixels(kept, 32) == load_pixels(upload, 32)).all()


def test_the_same_picture_in_another_file_has_the_same_hash() -> None:
    picture = draw("circle", 1)

    hashes = {
        ingest(data).sha256
        for data in (encoded(picture), encoded(picture, compress_level=0), encoded(picture, "WEBP", lossless=True))
    }

    assert len(hashes) == 1
    assert ingest(encoded(draw("circle", 2))).sha256 not in hashes


def test_the_same_pixels_in_another_shape_are_another_picture() -> None:
    assert ingest(encoded(Image.new("RGB", (10, 20)))).sha256 != ingest(encoded(Image.new("RGB", (20, 10)))).sha256


def bad_files() -> Iterator[tuple[str, bytes]]:
    """Broken files made here by damaging good ones, and those that lie beside the project."""
    for format in ("JPEG", "PNG", "WEBP"):
        good = encoded(draw("circle", 1), format)
        for end in range(0, len(good), 1 + len(good) // 25):
            yield f"{format} cut at {end}", good[:end]
        for place in range(0, len(good), 1 + len(good) // 60):
            yield f"{format} flipped at {place}", good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :]
    for path in sorted(COLLECTED.glob("[!z]*/**/*")):
        if path.is_file():
            yield path.name, path.read_bytes()


def test_every_bad_file_is_taken_or_refused_within_two_seconds() -> None:
    slow = []

    for name, data in bad_files():
        started = time.perf_counter()
        with contextlib.suppress(UnreadablePicture):
            ingest(data)
        if time.perf_counter() - started > 2:
            slow.append(name)

    assert slow == []


def test_a_jpeg_of_low_quality_keeps_the_shape_and_loses_the_rest() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)

    after = jpeg_round_trip(pixels, 30)

    assert (after.shape, after.dtype) == (pixels.shape, np.uint8)
    assert (after != pixels).any()


def as_one_piece(picture: Image.Image) -> Image.Image:
    """Turned, converted and resized the plain way, with several copies of all pixels."""
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    upright = upright.convert("RGB")
    scale = images.KEPT_SIDE / max(upright.size)
    size = tuple(round(side * scale) for side in upright.size)
    return upright.resize((size[0], size[1]), Image.Resampling.BILINEAR, reducing_gap=2.0)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1"])
@pytest.mark.parametrize("orientation", [None, 2, 3, 4, 5, 6, 7, 8])
def test_strips_give_the_pixels_of_the_whole(
    mode: str, orientation: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "STRIP_PIXELS", 5000)
    monkeypatch.setattr(images, "KEPT_SIDE", 64)
    noise = np.random.default_rng(0).integers(0, 256, (301, 403, 4), dtype=np.uint8)
    exif = Image.Exif()
    if orientation:
        exif[ExifTags.Base.Orientation] = orientation
    file = encoded(Image.fromarray(noise).convert(mode), "PNG", exif=exif)

    with Image.open(io.BytesIO(file)) as picture:
        assert open_picture(file).tobytes() == as_one_piece(picture).tobytes()


COSTLY = """
import io, resource, sys
import numpy as np
from PIL import Image
from training.data.images import open_picture
from training.errors import UnreadablePicture

file = open(sys.argv[1], "rb").read()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
try:
    open_picture(file)
except UnreadablePicture as error:
    print(error)
print((peak() - before) * 1024)
"""
FORTY_MEGAPIXELS = (8000, 5000)
COSTS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "WebP": ("RGB", "WEBP", {"lossless": True, "quality": 0, "method": 0}, "16 megapixels at most, this one has 40"),
    "PNG": ("RGB", "PNG", {}, ""),
    "PNG with opacity": ("RGBA", "PNG", {}, ""),
    "PNG of 16 bits": ("I;16", "PNG", {}, ""),
    "JPEG": ("RGB", "JPEG", {}, ""),
    "progressive JPEG": ("RGB", "JPEG", {"progressive": True, "subsampling": 2}, ""),
    "full progressive JPEG": ("RGB", "JPEG", {"progressive": True, "subsampling": 0}, "too much memory"),
}


@pytest.mark.parametrize("kind", COSTS)
def test_forty_megapixels_cost_at_most_250_megabytes(kind: str, tmp_path: Path) -> None:
    colours, format, options, refusal = COSTS[kind]
    Image.new(colours, FORTY_MEGAPIXELS, 99).save(tmp_path / "large", format, **options)

    command = [sys.executable, "-c", COSTLY, str(tmp_path / "large")]
    *said, num_bytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    assert int(num_bytes) < 250_000_000
    assert refusal in "".join(said)
    assert bool(said) == bool(refusal)


@pytest.mark.parametrize("kind", ["VP8 ", "VP8L", "VP8X"])
def test_a_webp_is_measured_before_it_is_opened(kind: str) -> None:
    picture = Image.new("RGBA" if kind == "VP8X" else "RGB", (300, 200), (1, 2, 3, 4)[: 4 if kind == "VP8X" else 3])
    file = bytearray(encoded(picture, "WEBP", lossless=kind == "VP8L", quality=50))
    assert file[12:16] == kind.encode()
    where = {"VP8 ": (26, 4, 16_000 << 16 | 16_000), "VP8L": (21, 4, 15_999 << 14 | 15_999)}
    start, length, size = where.get(kind, (24, 6, 15_999 << 24 | 15_999))
    file[start : start + length] = size.to_bytes(length, "little")

    with pytest.raises(UnreadablePicture, match="more than 40 megapixels"):
        open_picture(bytes(file))
