"""Bytes in, pixels out: the only decoder and the only resizer in the project.

Training reads the pictures that `ingest` kept, answering reads what a visitor sent. Both see the same pixels, because
both go through `open_picture`, and what it returns is kept without loss:
`load_pixels(upload, n) == load_pixels(ingest(upload).data, n)`.
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from training.data import perceptual_hashes
from training.data.jpeg_scans import count_scans
from training.errors import UnreadablePicture
from training.limits import MAX_DECODED_BYTES, MAX_PIXELS, MAX_SCANS, MAX_SIDE, MAX_UPLOAD_BYTES, MIN_SIDE
from training.messages import N_

FORMATS = ("JPEG", "PNG", "WEBP")  # by content; a file's name says nothing
PIXEL_BYTES, WEBP_PIXEL_BYTES = 4, 15.5  # as Pillow and libwebp hold them, measured
SAMPLE_BYTES = 2  # as libjpeg holds those of a JPEG in several scans
KEPT_SIDE = 640  # a larger picture is made smaller before it is kept or answered; networks read at most this

REDUCING_GAP = 2.0  # a picture is averaged to so many times its kept size before it is resampled
STRIP_PIXELS = 1_000_000  # converted at a time

# How a camera held its sensor, by EXIF orientation: what turns the picture upright ...
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = (5, 6, 7, 8)  # ... whose upright rows are columns of the file
_FROM_THE_END = (3, 4, 7, 8)  # ... whose first upright row is the last of the file

Pixels: TypeAlias = NDArray[np.uint8]
Source: TypeAlias = str | Path | bytes | BinaryIO

# Pillow's own limit, as an error. A process-wide filter, because catch_warnings() is not safe in threads.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class LargePicture(Exception):
    """Decoding the picture takes more memory than was offered."""


@dataclass(frozen=True)
class Ingested:
    """A picture as it is kept: re-encoded, upright, without metadata."""

    data: bytes  # lossless WebP
    sha256: str  # of size and pixels: the same picture in another file has the same
    width: int
    height: int
    perceptual_hashes: str = ""  # perceptual hashes, by which near-duplicates are found


def ingest(source: Source, *, most_bytes: int = MAX_DECODED_BYTES) -> Ingested:
    """Check one picture and re-encode it for keeping; nothing of the original file survives but its pixels.

    Args:
        source: path, bytes or open binary file of a JPEG, PNG or WebP picture.
        most_bytes: memory that decoding it may take.
    Raises: UnreadablePicture if the bytes are no picture we accept; the message says which rule it broke. LargePicture.
    """
    picture = open_picture(source, most_bytes)
    kept = io.BytesIO()
    picture.save(kept, "WEBP", lossless=True, quality=20, method=0)  # for lossless, quality is effort
    digest = hashlib.sha256(f"{picture.width}x{picture.height}:".encode() + picture.tobytes())
    return Ingested(kept.getvalue(), digest.hexdigest(), *picture.size, perceptual_hashes=_hashed(picture))


def encoded_png(pixels: Pixels) -> bytes:
    """What we have drawn ourselves as a PNG.

    Args:
        pixels: (height, width, channels), where 1 channel is grey, 3 are RGB, and 2 or 4 have opacity after them.
    """
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def load_pixels(source: Source, image_size: int, *, most_bytes: int = MAX_DECODED_BYTES) -> Pixels:
    """Decode one picture, turn it upright and resize it to a square; pixels keep the 0-255 scale.

    Args:
        source: path, bytes or open binary file of a JPEG, PNG or WebP picture.
        image_size: side of the square, in pixels.
        most_bytes: memory that decoding it may take.
    Returns: uint8 array of shape (image_size, image_size, 3).
    Raises: UnreadablePicture if the bytes are no picture we accept; the message says which rule it broke. LargePicture.
    """
    square = open_picture(source, most_bytes).resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(square, dtype=np.uint8)


def thumbnail(source: Source, side: int) -> bytes:
    """A picture as a JPEG with no side longer than `side` pixels. Raises: UnreadablePicture."""
    picture = open_picture(source)
    picture.thumbnail((side, side), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return file.getvalue()


def jpeg_round_trip(pixels: Pixels, quality: int) -> Pixels:
    """What is left of pixels after they were saved as a JPEG of a quality from 1 to 95; the shape stays."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file, formats=["JPEG"]), dtype=np.uint8)


def load_small(source: Source, image_size: int, *, through: int) -> Pixels:
    """As `load_pixels`, but made as small as `through` first: what a smaller picture of the same would show."""
    small = open_picture(source).resize((through, through), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((image_size, image_size), Image.Resampling.BILINEAR), dtype=np.uint8)


def perceptual_hashes_of(source: Source) -> str:
    """The perceptual hashes of a picture, as `ingest` takes them. Raises: UnreadablePicture."""
    return _hashed(open_picture(source))


def _hashed(picture: Image.Image) -> str:
    grey = picture.convert("L").resize((perceptual_hashes.SIDE, perceptual_hashes.SIDE), Image.Resampling.BILINEAR)
    return perceptual_hashes.hash_picture(np.asarray(grey, dtype=np.uint8))


def open_picture(source: Source, most_bytes: int = MAX_DECODED_BYTES) -> Image.Image:
    """Decode within our limits: upright, RGB, transparency on white, no side longer than KEPT_SIDE.

    Raises: UnreadablePicture if the bytes are no picture we accept; LargePicture if it takes more than `most_bytes`.
    """
    data = bytes_of(source)
    try:
        _check_webp(data, most_bytes)
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_limits(picture)
            _check_cost(picture, data, most_bytes)
            picture.load()
            return _kept(picture)
    except (UnreadablePicture, LargePicture):
        raise
    except MemoryError as error:
        raise _too_much_memory() from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _too_many_pixels() from error
    except UnidentifiedImageError as error:
        raise UnreadablePicture(N_("This is not a picture we can read. Send a JPEG, PNG or WebP file.")) from error
    except Exception as error:  # Pillow raises nearly anything on a broken file
        raise UnreadablePicture(
            N_("The picture is damaged or incomplete. Save it again as JPEG or PNG and send that.")
        ) from error


def bytes_of(source: Source) -> bytes:
    """All of a file that may be a picture. Raises: UnreadablePicture if there is nothing, or too much."""
    if isinstance(source, bytes):
        data = source
    elif isinstance(source, str | Path):
        with open(source, "rb") as file:
            data = file.read(MAX_UPLOAD_BYTES + 1)
    else:
        data = source.read(MAX_UPLOAD_BYTES + 1)
    if not data:
        raise UnreadablePicture(N_("The file is empty. Send a JPEG, PNG or WebP picture."))
    if len(data) > MAX_UPLOAD_BYTES:
        raise UnreadablePicture(
            N_("The file is larger than %(limit)d MB. Make the picture smaller and send it again."),
            limit=MAX_UPLOAD_BYTES // 1_000_000,
        )
    return data


def _check_limits(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels()
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise UnreadablePicture(
            N_("The picture is %(width)d × %(height)d pixels; each side must have %(min)d to %(max)d."),
            width=width,
            height=height,
            min=MIN_SIDE,
            max=MAX_SIDE,
        )
    # An MPO is what many phones write: a JPEG with a preview behind it. Its first frame is the photo.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        raise UnreadablePicture(N_("The picture is animated. Send a single still picture."))


def _check_webp(data: bytes, most_bytes: int) -> None:
    """Look at a WebP's size before Pillow does, which makes room for two of its pictures while it opens it."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[start : start + 3], "little") for start in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (int.from_bytes(data[start : start + 2], "little") & 0x3FFF for start in (26, 28))
    if width * height > MAX_PIXELS:
        raise _too_many_pixels()
    if WEBP_PIXEL_BYTES * width * height > MAX_DECODED_BYTES:
        raise UnreadablePicture(
            N_("A WebP picture may have %(limit)d megapixels at most, this one has %(came)d. Send it as a JPEG."),
            limit=int(MAX_DECODED_BYTES / WEBP_PIXEL_BYTES / 1e6),
            came=round(width * height / 1e6),
        )
    if WEBP_PIXEL_BYTES * width * height > most_bytes:
        raise LargePicture


def _samples_held(picture: Image.Image, data: bytes) -> int:
    """How many samples a JPEG in several scans keeps until the last, whatever size it is decoded at; else none."""
    if not isinstance(picture, JpegImageFile):
        return 0
    num_scans = count_scans(data, MAX_SCANS)
    if num_scans > MAX_SCANS:
        raise UnreadablePicture(
            N_("The JPEG is stored in more than %(limit)d passes. Save it as an ordinary JPEG and send that."),
            limit=MAX_SCANS,
        )
    if num_scans <= 1 and not picture.info.get("progressive"):
        return 0
    shares = [across * down for _, across, down, _ in picture.layer]
    return picture.width * picture.height * sum(shares) // max(shares)


def _check_cost(picture: Image.Image, data: bytes, most_bytes: int) -> None:
    """Have the picture decoded at the least size that serves, and refuse what takes too much memory even so."""
    samples = _samples_held(picture, data)
    picture.draft("RGB", (2 * KEPT_SIDE, 2 * KEPT_SIDE))  # JPEG only: decodes at 1/2, 1/4 or 1/8
    a_pixel = WEBP_PIXEL_BYTES if picture.format == "WEBP" else PIXEL_BYTES
    num_bytes = round(a_pixel * picture.width * picture.height) + SAMPLE_BYTES * samples
    if num_bytes > MAX_DECODED_BYTES:
        raise _too_much_memory()
    if num_bytes > most_bytes:
        raise LargePicture


def _too_much_memory() -> UnreadablePicture:
    return UnreadablePicture(
        N_("This kind of picture takes too much memory at its size. Save it as an ordinary JPEG and send that.")
    )


def _too_many_pixels() -> UnreadablePicture:
    return UnreadablePicture(
        N_("The picture has more than %(limit)d megapixels. Make it smaller and send it again."),
        limit=MAX_PIXELS // 1_000_000,
    )


def _kept(picture: Image.Image) -> Image.Image:
    """Upright, RGB and no larger than is kept, made strip by strip: beside the decoded picture there is hardly more.

    Every pixel is as if the whole picture were turned, converted and then resized with a `reducing_gap`.
    """
    orientation = picture.getexif().get(ExifTags.Base.Orientation)
    width, height = picture.size[::-1] if orientation in _TURNED else picture.size
    size = _kept_size(width, height)
    factors = tuple(max(1, int(side / kept / REDUCING_GAP)) for side, kept in zip((width, height), size, strict=True))
    reduced = Image.new("RGB", (math.ceil(width / factors[0]), math.ceil(height / factors[1])))
    rows = factors[1] * max(1, STRIP_PIXELS // (width * factors[1]))
    for top in range(0, height, rows):
        strip = _as_rgb(_upright_rows(picture, orientation, top, min(top + rows, height)))
        reduced.paste(strip.reduce((factors[0], factors[1])), (0, top // factors[1]))
    if size == (width, height):
        return reduced
    box = (0, 0, width / factors[0], height / factors[1])
    return reduced.resize(size, Image.Resampling.BILINEAR, box)


def _upright_rows(picture: Image.Image, orientation: int | None, top: int, bottom: int) -> Image.Image:
    """The rows from `top` to before `bottom` of the picture as it is when turned upright."""
    width, height = picture.size
    along = width if orientation in _TURNED else height
    start, end = (along - bottom, along - top) if orientation in _FROM_THE_END else (top, bottom)
    rows = picture.crop((start, 0, end, height) if orientation in _TURNED else (0, start, width, end))
    return rows.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else rows


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel; convert() would clip all above 255 to white
        values = np.asarray(picture, dtype=np.uint32) >> 8
        return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(paper, picture).convert("RGB")
    return picture.convert("RGB")


def _kept_size(width: int, height: int) -> tuple[int, int]:
    scale = KEPT_SIDE / max(width, height)
    return (width, height) if scale >= 1 else (_scaled(width, scale), _scaled(height, scale))


def _scaled(side: int, scale: float) -> int:
    return max(MIN_SIDE, round(side * scale))
