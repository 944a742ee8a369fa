from __future__ import annotations

from collections import Counter
from pathlib import Path

from training.data.manifest import Manifest, make_manifest
from training.data.subsets import subset


def manifest() -> Manifest:
    pictures = [(f"{name}-{i}.webp", f"{name}{i:060d}", name) for name in ("cat", "dog") for i in range(100)]
    return make_manifest(Path(), pictures)


def test_a_sample_has_each_class_in_its_share() -> None:
    some = subset(manifest(), {"train": 20, "validation": 10})

    assert Counter((each.split, each.label) for each in some.entries) == {
        ("train", 0): 10,
        ("train", 1): 10,
        ("validation", 0): 5,
        ("validation", 1): 5,
    }


def test_a_side_with_fewer_pictures_is_taken_whole() -> None:
    whole = manifest()

    assert subset(whole, {"train": 10_000}).count("train") == whole.count("train")
