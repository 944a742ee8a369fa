from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from training.data.images import ingest
from training.library.starter import digit_pictures


@pytest.fixture(scope="module")
def pictures() -> list[tuple[str, str, bytes]]:
    return list(digit_pictures())


def test_the_starter_brings_1797_digits_that_all_differ(pictures: list[tuple[str, str, bytes]]) -> None:
    assert len({name for name, _, _ in pictures}) == 1797
    assert len({ingest(data).sha256 for _, _, data in pictures}) == 1797
    assert set(Counter(label for _, label, _ in pictures)) == set("0123456789")


def test_half_the_digits_of_every_kind_are_dark_on_light(pictures: list[tuple[str, str, bytes]]) -> None:
    grounds: dict[str, list[bool]] = {}
    for _, label, data in pictures:
        corner = np.asarray(Image.open(io.BytesIO(data)))[0, 0]
        grounds.setdefault(label, []).append(bool(corner > 127))

    for label, are_light in grounds.items():
        assert np.mean(are_light) == pytest.approx(0.5, abs=0.12), label


def test_the_pictures_are_the_same_every_time(pictures: list[tuple[str, str, bytes]]) -> None:
    assert next(digit_pictures()) == pictures[0]
