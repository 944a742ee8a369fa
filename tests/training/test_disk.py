"""The room that is left alone, on a real disk of 100 MB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.disks import fill, mounted
from training.disk import Room, check_room, readable, shortage
from training.errors import DiskFull
from training.messages import say


@pytest.fixture
def disk(tmp_path: Path, settings: Any) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "100m") as disk:
        settings.DATA_DIR, settings.MIN_FREE_DISK = disk, 20_000_000
        yield disk


def test_there_is_room_until_so_much_is_left_as_is_to_stay_free(disk: Path) -> None:
    fill(disk, room=30_000_000)

    assert shortage(9_900_000) is None
    assert shortage(10_100_000) is not None


def test_the_sentence_says_what_is_left_what_is_to_stay_and_what_to_do_and_no_path(disk: Path) -> None:
    fill(disk, room=12_000_000)

    with pytest.raises(DiskFull) as caught:
        check_room("%(room)s Make room.")

    assert str(caught.value) == (
        "The disk of DATA_DIR has 12 MB left; 20 MB are to stay free (MIN_FREE_DISK). Make room."
    )


def test_what_is_too_much_by_itself_is_named(disk: Path) -> None:
    assert say(shortage(90_000_000) or {}).startswith("This needs 90 MB. The disk of DATA_DIR has 105 MB left")


def test_where_none_is_named_a_small_disk_keeps_a_fiftieth_free(disk: Path, settings: Any) -> None:
    settings.MIN_FREE_DISK = None

    assert Room.of(disk).floor == 2 * 1024 * 1024


def test_nothing_has_to_stay_free_where_that_is_asked_for(disk: Path, settings: Any) -> None:
    settings.MIN_FREE_DISK = 0
    fill(disk)

    assert shortage(10**9) is None


@pytest.mark.parametrize(
    ("num_bytes", "expected"),
    [(0, "0 kB"), (999_000, "999 kB"), (1_500_000, "1.5 MB"), (12_345_678_900, "12.3 GB"), (10**13, "10,000 GB")],
)
def test_bytes_are_said_as_people_read_them(num_bytes: int, expected: str) -> None:
    assert readable(num_bytes) == expected
