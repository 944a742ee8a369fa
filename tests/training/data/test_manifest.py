from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.manifest import DEFAULT_SHARES, Manifest, make_manifest
from training.data.splitting import SPLITS, Shares
from training.errors import TooFewPictures

ROOT = Path("/pictures")


def some(counts: dict[str, int], prefix: str = "") -> list[tuple[str, str, str]]:
    """File, hash and class of so many pictures of each class."""
    return [
        (f"{prefix}{class_name}/{number}.webp", f"hash of {class_name} {number}", class_name)
        for class_name, count in counts.items()
        for number in range(count)
    ]


def made(counts: dict[str, int], shares: Shares = DEFAULT_SHARES) -> Manifest:
    return make_manifest(ROOT, some(counts), shares)


def sides(manifest: Manifest) -> dict[str, str]:
    return {entry.sha256: entry.split for entry in manifest.entries}


def test_every_class_is_split_in_the_same_shares() -> None:
    manifest = made({"cat": 100, "dog": 40}, Shares(0.2, 0.1))

    counts = Counter((manifest.class_names[entry.label], entry.split) for entry in manifest.entries)
    assert [counts["cat", split] for split in SPLITS] == [70, 20, 10]
    assert [counts["dog", split] for split in SPLITS] == [28, 8, 4]


@given(
    count=st.integers(3, 60),
    shares=st.builds(Shares, st.floats(0.05, 0.3), st.floats(0.05, 0.3)),
)
def test_every_class_has_a_picture_on_every_side(count: int, shares: Shares) -> None:
    manifest = made({"cat": count, "dog": 3}, shares)

    present = {(entry.label, entry.split) for entry in manifest.entries}
    assert len(manifest.entries) == count + 3
    assert len(present) == 2 * len(SPLITS)


def test_the_same_pictures_are_split_alike() -> None:
    assert made({"cat": 50, "dog": 50}) == made({"cat": 50, "dog": 50})


def test_the_split_depends_neither_on_names_nor_on_the_order_of_upload() -> None:
    pictures = some({"cat": 30, "dog": 30}, prefix="renamed/")

    manifest = make_manifest(Path("/elsewhere"), reversed(pictures))

    assert sides(manifest) == sides(made({"cat": 30, "dog": 30}))
    assert manifest.sha256 == made({"cat": 30, "dog": 30}).sha256


def test_a_picture_added_later_moves_few_others() -> None:
    before, after = sides(made({"cat": 200, "dog": 200})), sides(made({"cat": 201, "dog": 200}))

    moved = [sha256 for sha256, split in before.items() if after[sha256] != split]

    assert len(moved) <= 2


def test_classes_stand_in_the_order_of_their_names() -> None:
    assert made({"猫": 3, "dog": 3, "ant": 3}).class_names == ["ant", "dog", "猫"]


def test_a_single_class_is_refused() -> None:
    with pytest.raises(TooFewPictures, match="pictures of 1 class; training needs at least 2"):
        made({"only": 20})


def test_no_picture_at_all_is_refused() -> None:
    with pytest.raises(TooFewPictures, match="pictures of 0 class"):
        made({})


def test_small_classes_are_named() -> None:
    with pytest.raises(TooFewPictures, match=r"Too few pictures of: ant, dog\. Each class needs at least 2"):
        made({"dog": 1, "cat": 3, "ant": 1})


def test_two_pictures_of_a_class_are_one_to_learn_from_and_one_for_the_test() -> None:
    manifest = made({"dog": 2, "cat": 2})

    assert [manifest.count(split) for split in SPLITS] == [2, 0, 2]


def test_its_hash_changes_with_a_label() -> None:
    pictures = some({"cat": 10, "dog": 10})
    relabelled = [*pictures[:-1], (*pictures[-1][:2], "cat")]

    one, other = (make_manifest(ROOT, each).sha256 for each in (pictures, relabelled))

    assert one != other


def test_its_hash_changes_with_a_group() -> None:
    pictures = some({"cat": 10, "dog": 10})
    grouped = [*pictures[:-1], (*pictures[-1], "a group")]

    one, other = (make_manifest(ROOT, each) for each in (pictures, grouped))

    assert sides(one) == sides(other)
    assert one.sha256 != other.sha256


def test_a_side_that_near_duplicates_leave_empty_is_refused() -> None:
    pictures = [(*each, f"all of {each[2]}") for each in some({"cat": 10, "dog": 10})]

    with pytest.raises(TooFewPictures, match="Nearly the same pictures stay together"):
        make_manifest(ROOT, pictures)


def test_it_counts_and_finds_the_pictures_of_a_split() -> None:
    manifest = made({"cat": 20, "dog": 20})

    assert sum(manifest.count(split) for split in SPLITS) == 40
    assert {manifest.entries[i].split for i in manifest.positions("test")} == {"test"}
    assert len(manifest.positions("test")) == manifest.count("test")
    assert manifest.labels().tolist() == [0] * 20 + [1] * 20


def test_it_is_the_same_after_it_was_saved(tmp_path: Path) -> None:
    manifest = made({"猫": 5, "dog": 5})

    text = manifest.to_json()

    assert Manifest.from_json(text, Path(manifest.root)) == manifest
