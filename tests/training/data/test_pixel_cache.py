from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.drawings import kept_drawings
from training.data.images import load_pixels
from training.data.manifest import Manifest, make_manifest
from training.data.pixel_cache import PixelFile, pixel_cache

SIDE = 24


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return make_manifest(tmp_path, kept_drawings(tmp_path, 6))


def test_pixels_are_read_one_by_one_or_many_at_a_time_by_many_threads(manifest: Manifest, tmp_path: Path) -> None:
    expected = np.stack([load_pixels(tmp_path / each.file, SIDE) for each in manifest.entries])

    cache = pixel_cache(manifest, SIDE, tmp_path / "cache")

    assert (len(cache), cache.shape) == (12, (12, SIDE, SIDE, 3))
    assert (cache[manifest.positions("train")] == expected[manifest.positions("train")]).all()
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda position: cache[position], list(range(12)) * 20))
    assert (np.stack(read) == np.concatenate([expected] * 20)).all()


def test_the_file_is_one_that_numpy_reads_and_is_made_once(manifest: Manifest, tmp_path: Path) -> None:
    pixel_cache(manifest, SIDE, tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    for each in manifest.entries:
        (tmp_path / each.file).unlink()

    assert (np.load(path)[3] == pixel_cache(manifest, SIDE, tmp_path / "cache")[3]).all()


def test_a_file_that_was_cut_off_is_not_read_as_black_pictures(manifest: Manifest, tmp_path: Path) -> None:
    pixel_cache(manifest, SIDE, tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(OSError, match="shorter than it was written"):
        PixelFile(path)[11]
