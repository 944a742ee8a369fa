"""A single bit flipped in a stored file is noticed before an answer is given from it, and before it is published."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from classifier.engine import Engine, open_serving_model
from classifier.errors import EngineUnavailable
from tests.drawings import draw, encoded
from tests.faults.campaign import record, rounds
from tests.types import MakeVersion
from training.errors import BrokenArtifact
from training.models import ModelVersion, Recognizer

pytestmark = pytest.mark.faults

PICTURE = encoded(draw("circle", 999))


def flip(path: Path, bit: int) -> None:
    """Within the file, as a failing disk would; a second time makes it whole again."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def damages(version: ModelVersion, count: int) -> Iterator[str]:
    """Harm one bit at a time, of each file as often as of the others, and mend it before the next."""
    rng = random.Random(1)
    files = [version.files.h5, *version.files.serving_model]
    for number in range(count):
        path = files[number % len(files)]
        bit = rng.randrange(8 * path.stat().st_size)
        flip(path, bit)
        yield f"bit {bit} of {path.name}"
        flip(path, bit)


def test_a_flipped_bit_is_noticed_before_an_answer(version: ModelVersion) -> None:
    count = rounds(15, 300)
    unnoticed = []

    for damage in damages(version, count):
        try:
            Engine(open_serving_model).classify(version.recognizer, PICTURE)
            unnoticed.append(damage)
        except EngineUnavailable:
            pass

    assert unnoticed == []
    Engine(open_serving_model).check(version.recognizer)  # whole again, so it was the bit each time
    record("single bit flips of a stored H5 or serving model noticed before an answer", f"{count} of {count}")


def test_with_a_flipped_bit_the_version_before_answers(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)
    newer.publish(None)

    answering = {
        Engine(open_serving_model).classify(recognizer, PICTURE).version for _ in damages(newer, rounds(6, 60))
    }

    assert answering == {version}


def test_a_version_with_a_flipped_bit_is_not_published(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)
    count = rounds(15, 300)

    for _ in damages(newer, count):
        with pytest.raises(BrokenArtifact, match="has changed"):
            newer.publish(None)

    assert recognizer.versions.active() == version
    record("single bit flips of a stored H5 or serving model noticed before publishing", f"{count} of {count}")
