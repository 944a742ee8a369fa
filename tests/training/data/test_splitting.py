from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from training.data.splitting import SPLITS, Sample, Shares, Split, assign_splits

SHARES = Shares()


def some(count: int, class_name: str = "cat", *, group: str = "", side: str = "", first: int = 0) -> list[Sample]:
    """So many pictures of a class."""
    return [
        Sample(f"{number}.webp", f"{class_name} {number}", class_name, group, side)
        for number in range(first, first + count)
    ]


def settled(samples: list[Sample], shares: Shares = SHARES) -> list[Sample]:
    """The same pictures with the sides they got."""
    return [each._replace(split=side) for each, side in zip(samples, assign_splits(samples, shares), strict=True)]


def sides(samples: list[Sample]) -> dict[str, str]:
    return {each.sha256: each.split for each in settled(samples)}


def test_a_picture_stays_on_its_side_when_others_are_added() -> None:
    before = settled(some(100))

    after = sides([*before, *some(60, first=100)])

    assert all(after[each.sha256] == each.split for each in before)


def test_new_pictures_fill_the_sides_that_lack_some() -> None:
    after = settled([*some(50, side="train"), *some(50, first=50)])

    assert Counter(each.split for each in after) == {"train": 70, "validation": 15, "test": 15}


@given(
    groups=st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["cat", "dog"])), min_size=1, max_size=80),
    stored=st.data(),
)
def test_a_group_is_never_on_two_sides(groups: list[tuple[int, str]], stored: st.DataObject) -> None:
    samples = [
        Sample("", f"{number}", class_name, f"group {group}", stored.draw(st.sampled_from(["", *SPLITS])))
        for number, (group, class_name) in enumerate(groups)
    ]

    found: dict[str, set[str]] = defaultdict(set)
    for each in settled(samples):
        found[each.group].add(each.split)

    assert all(len(each) == 1 for each in found.values())


def test_a_group_that_joins_two_sides_moves_to_training() -> None:
    joined = [*some(1, group="same", side="test"), *some(1, group="same", side="validation", first=1)]

    assert set(assign_splits([*joined, *some(20, first=2)], SHARES)[:2]) == {"train"}


def test_a_new_near_duplicate_goes_where_its_group_is() -> None:
    group = [*some(1, group="same", side="test"), *some(1, group="same", first=1)]

    assert assign_splits([*group, *some(20, first=2)], SHARES)[:2] == ["test", "test"]


def test_large_groups_leave_the_shares_about_right() -> None:
    samples = [each for number in range(20) for each in some(30, group=f"{number}", first=30 * number)]

    assert Counter(assign_splits(samples, SHARES)) == {"train": 420, "validation": 90, "test": 90}


def test_one_huge_group_goes_to_training() -> None:
    samples = [*some(60, group="same"), *some(10, first=60)]

    assert set(assign_splits(samples, SHARES)[:60]) == {"train"}


def test_a_class_of_three_groups_is_on_every_side() -> None:
    samples = [each for number in range(3) for each in some(9, group=f"{number}", first=9 * number)]

    assert set(assign_splits(samples, SHARES)) == set(SPLITS)


def test_of_two_groups_one_is_tested() -> None:
    samples = [*some(5, group="one"), *some(5, group="other", first=5)]

    assert set(assign_splits(samples, SHARES)) == {"train", "test"}


def test_a_single_group_is_learned_from() -> None:
    assert set(assign_splits(some(5, group="only"), SHARES)) == {"train"}


def test_a_group_of_two_classes_counts_for_that_of_most_of_its_pictures() -> None:
    mixed = [*some(2, "cat", group="same"), *some(1, "dog", group="same")]

    got = assign_splits([*mixed, *some(40, "cat", first=2), *some(40, "dog", first=1)], SHARES)

    assert len(set(got[:3])) == 1
    dogs: Counter[Split] = Counter(got[43:])
    assert dogs == {"train": 28, "validation": 6, "test": 6}
