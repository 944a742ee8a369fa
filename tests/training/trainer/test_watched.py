from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.drawings import kept_drawings
from training.data.manifest import Manifest, make_manifest

pytestmark = pytest.mark.keras


@pytest.fixture
def pictures(tmp_path: Path) -> Manifest:
    return make_manifest(tmp_path, kept_drawings(tmp_path, 60))


def answers_of(labels: np.ndarray, wrong: int) -> np.ndarray:
    """Right answers of two classes, but for the first ones."""
    said = labels.copy()
    said[:wrong] = 1 - said[:wrong]
    return np.eye(2)[said]


@pytest.mark.parametrize(("wrong", "shown_wrong"), [(0, 0), (3, 3), (10, 6), (16, 8)])
def test_some_are_picked_that_are_wrong_and_some_that_are_right(
    wrong: int, shown_wrong: int, pictures: Manifest
) -> None:
    from training.trainer.watched import Watched

    told: list[tuple[int, Any]] = []
    watched = Watched(pictures, (), lambda epoch, some: told.append((epoch, some)))
    validation = pictures.positions("validation")
    answers = answers_of(pictures.labels()[validation], wrong)

    watched.hear(1, validation, answers)

    [(epoch, some)] = told
    assert (epoch, len(some)) == (1, 10)
    assert sum(each.answers != [each.label] for each in some) == shown_wrong
    assert {each.label for each in some} == {"circle", "square"}


def test_the_same_are_asked_from_then_on(pictures: Manifest) -> None:
    from training.trainer.watched import Watched

    told: list[Any] = []
    watched = Watched(pictures, (), lambda _, some: told.append([each.sha256 for each in some]))
    validation = pictures.positions("validation")
    watched.hear(1, validation, answers_of(pictures.labels()[validation], 4))
    asked = watched.of(validation)

    watched.hear(2, asked, answers_of(pictures.labels()[asked], 0))
    again = Watched(pictures, told[0], lambda _, some: told.append([each.sha256 for each in some]))
    again.hear(3, again.of(validation), answers_of(pictures.labels()[asked], 1))

    assert len(asked) == 10
    assert told[0] == told[1] == told[2]


def test_without_pictures_to_choose_by_nothing_is_told(pictures: Manifest) -> None:
    from training.trainer.watched import Watched

    told: list[Any] = []

    Watched(pictures, (), lambda *word: told.append(word)).hear(1, np.array([], np.intp), np.zeros((0, 2)))

    assert told == []
