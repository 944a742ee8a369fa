"""Every picture is decoded once per manifest and size; every epoch reads its pixels from one file."""

from __future__ import annotations

import os
import tempfile
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from training.data.images import Pixels, load_pixels
from training.data.manifest import Manifest


class PixelFile:
    """uint8 pixels in a NumPy file, shape (n, image_size, image_size, 3), read picture by picture from any thread.

    It is not mapped into memory: what has been read of a mapped file counts as the process's own, 3 GB with 20,000
    pictures at 224 px.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            self.shape, _, _ = np.lib.format.read_array_header_1_0(file)
            self._begin = file.tell()
            self._file = os.dup(file.fileno())
        self._name = str(path)
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, positions: int | NDArray[np.integer]) -> Pixels:
        """The pixels of one picture, (image_size, image_size, 3), or of several, (len(positions), …)."""
        wanted = np.atleast_1d(positions)
        pixels = np.empty((len(wanted), *self.shape[1:]), dtype=np.uint8)
        for picture, position in zip(pixels, wanted, strict=True):
            if os.preadv(self._file, [picture], self._begin + int(position) * picture.nbytes) != picture.nbytes:
                raise OSError(None, "the file is shorter than it was written", self._name)
        return pixels[0] if np.ndim(positions) == 0 else pixels


def pixel_cache(manifest: Manifest, image_size: int, folder: Path) -> PixelFile:
    """The pixels of every entry, in order.

    Decoding runs on all cores (Pillow lets go of the interpreter lock); the file appears only when it is whole.

    Raises: UnreadablePicture if a kept file is damaged, OSError with the file's name if the disk is full.
    """
    path = pixel_file(manifest, image_size, folder)
    if not path.exists():
        _fill(path, manifest, image_size)
    os.utime(path)  # says when it was last of use
    return PixelFile(path)


def pixel_file(manifest: Manifest, image_size: int, folder: Path) -> Path:
    """Where they are kept; the file need not exist."""
    return folder / f"{manifest.sha256[:32]}-{image_size}.npy"


def _fill(path: Path, manifest: Manifest, image_size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    root, shape = Path(manifest.root), (len(manifest.entries), image_size, image_size, 3)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            begin = _reserve(file.file, shape)

            def decode(position: int) -> None:
                pixels = load_pixels(root / manifest.entries[position].file, image_size)
                os.pwrite(file.fileno(), pixels.tobytes(), begin + position * pixels.nbytes)

            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(decode, range(len(manifest.entries))))
            os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            error.filename = error.filename or str(path)
            raise
        finally:
            temporary.unlink(missing_ok=True)


def _reserve(file: IO[bytes], shape: tuple[int, ...]) -> int:
    """Write the header and take all bytes now, where a full disk is noticed at once; returns where the pixels begin."""
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    file.flush()
    begin = file.tell()
    os.posix_fallocate(file.fileno(), 0, begin + int(np.prod(shape)))
    return begin
