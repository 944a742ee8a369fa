from __future__ import annotations

import errno
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.errors import BrokenArtifact
from training.trainer.checkpoints import Best, TrainingState, read_checkpoint, write_checkpoint


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).random(shape, dtype=np.float32)


STATE = TrainingState(
    epoch=3,
    step=17,
    manifest_sha256="ab" * 32,
    weights=[numbers(3, 3, 3, 8), numbers(8)],
    optimizer=[np.array(71), numbers(8)],
    seeds=[np.array([1, 40], dtype=np.uint32)],
    best=Best([numbers(3, 3, 3, 8), numbers(8)], 0.25, 2),
    metrics=[np.array(4.5, dtype=np.float32)],
)


def as_lists(value: Any) -> Any:
    """A state without arrays, so that two can be compared."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    if isinstance(value, list):
        return [as_lists(each) for each in value]
    fields = getattr(value, "__dict__", None)
    return {name: as_lists(each) for name, each in fields.items()} if fields else value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "checkpoint-3-17.npz"
    path.parent.mkdir()
    write_checkpoint(path, STATE)
    return path


def test_a_checkpoint_is_read_as_it_was_written(path: Path) -> None:
    assert as_lists(read_checkpoint(path)) == as_lists(STATE)
    assert list(path.parent.iterdir()) == [path]


def test_a_training_without_a_best_epoch_yet_is_kept_too(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "early.npz", replace(STATE, best=Best([numbers(8)])))

    assert read_checkpoint(tmp_path / "early.npz").best.loss == float("inf")


def test_a_checkpoint_that_was_cut_off_is_refused(path: Path) -> None:
    whole = path.read_bytes()

    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(BrokenArtifact, match=r"checkpoint-3-17\.npz is not a checkpoint"):
            read_checkpoint(path)


def test_a_changed_bit_is_refused_or_changes_nothing(path: Path) -> None:
    whole, rng = path.read_bytes(), random.Random(1)

    for place in (rng.randrange(len(whole)) for _ in range(300)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :])
        try:
            assert as_lists(read_checkpoint(path)) == as_lists(STATE)
        except BrokenArtifact:
            continue


@pytest.mark.parametrize("content", ["text", "array", "archive", "nothing"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "strange.npz"
    if content == "text":
        path.write_text("not an archive")
    elif content == "array":
        with path.open("wb") as file:
            np.save(file, numbers(4))
    elif content == "archive":
        np.savez(path, weights=numbers(4))

    with pytest.raises(BrokenArtifact, match=r"strange\.npz is not a checkpoint"):
        read_checkpoint(path)


def test_a_full_disk_is_said_by_name_and_nothing_is_left(small_disk: Path) -> None:
    path = small_disk / "checkpoint-1-0.npz"

    with pytest.raises(OSError, match="No space left") as caught:
        write_checkpoint(path, replace(STATE, weights=[numbers(1024, 1024)]))

    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_leaves_the_checkpoint_before(small_disk: Path) -> None:
    path = small_disk / "checkpoint.npz"
    write_checkpoint(path, STATE)

    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(path, replace(STATE, weights=[numbers(1024, 1024)]))

    assert as_lists(read_checkpoint(path)) == as_lists(STATE)
