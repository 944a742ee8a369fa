"""Bytes in, pixels out: the only decoder and the only resizer in the project.

Training reads the pictures that `ingest` kept, answering reads what a visitor sent. Both see the same pixels, because
both go through `open_picture`, and what it returns is kept without loss:
`load_pixels(upload, n) == load_pixels(ingest(upload).data, n)`.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from training.data import perceptual_hashes
from training.errors import UnreadablePicture
from training.messages import N_

FORMATS = ("JPEG", "PNG", "WEBP")  # by content; a file's name says nothing
MAX_UPLOAD_BYTES = 10_000_000
MAX_PIXELS = 40_000_000
MIN_SIDE = 8
MAX_SIDE = 12_000
KEPT_SIDE = 640  # a larger picture is made smaller before it is kept or answered; networks read at most this

Pixels: TypeAlias = NDArray[np.uint8]
Source: TypeAlias = str | Path | bytes | BinaryIO

# Pillow's own limit, as an error. A process-wide filter, because catch_warnings() is not safe in threads.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Ingested:
    """A picture as it is kept: re-encoded, upright, without metadata."""

    data: bytes  # lossless WebP
    sha256: str  # of size and pixels: the same picture in another file has the same
    width: int
    height: int
    perceptual_hashes: str = ""  # perceptual hashes, by which near-duplicates are found


def ingest(source: Source) -> Ingested:
    """Check one picture and re-encode it for keeping; nothing of the original file survives but its pixels.

    Args:
        source: path, bytes or open binary file of a JPEG, PNG or WebP picture.
    Raises: UnreadablePicture if the bytes are no picture we accept; the message says which rule it broke.
    """
    picture = open_picture(source)
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


def load_pixels(source: Source, image_size: int) -> Pixels:
    """Decode one picture, turn it upright and resize it to a square; pixels keep the 0-255 scale.

    Args:
        source: path, bytes or open binary file of a JPEG, PNG or WebP picture.
        image_size: side of the square, in pixels.
    Returns: uint8 array of shape (image_size, image_size, 3).
    Raises: UnreadablePicture if the bytes are no picture we accept; the message says which rule it broke.
    """
    square = open_picture(source).resize((image_size, image_size), Image.Resampling.BILINEAR)
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


def open_picture(source: Source) -> Image.Image:
    """Decode within our limits: upright, RGB, transparency on white, no side longer than KEPT_SIDE.

    Raises: UnreadablePicture if the bytes are no picture we accept.
    """
    data = _read(source)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_limits(picture)
            picture.draft("RGB", (2 * KEPT_SIDE, 2 * KEPT_SIDE))  # JPEG only: decodes at 1/2, 1/4 or 1/8
            picture.load()
            return _shrink(_as_rgb(ImageOps.exif_transpose(picture)))
    except UnreadablePicture:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _too_many_pixels() from error
    except UnidentifiedImageError as error:
        raise UnreadablePicture(N_("This is not a picture we can read. Send a JPEG, PNG or WebP file.")) from error
    except (Exception, MemoryError) as error:  # Pillow raises nearly anything on a broken file
        raise UnreadablePicture(
            N_("The picture is damaged or incomplete. Save it again as JPEG or PNG and send that.")
        ) from error


def _read(source: Source) -> bytes:
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


def _too_many_pixels() -> UnreadablePicture:
    return UnreadablePicture(
        N_("The picture has more than %(limit)d megapixels. Make it smaller and send it again."),
        limit=MAX_PIXELS // 1_000_000,
    )


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel; convert() would clip all above 255 to white
        values = np.asarray(picture, dtype=np.uint32) >> 8
        return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(paper, picture).convert("RGB")
    return picture.convert("RGB")


def _shrink(picture: Image.Image) -> Image.Image:
    scale = KEPT_SIDE / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(MIN_SIDE, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
