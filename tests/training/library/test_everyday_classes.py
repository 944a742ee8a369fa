"""The table of everyday names is whole: every class of ImageNet once, every label under one name of its own."""

from __future__ import annotations

import csv

import pytest

from training.data.names import tidied
from training.library.everyday_classes import NUM_CLASSES, TABLE, everyday_classes, imagenet_classes


def test_it_names_each_class_of_imagenet_once_in_order() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        numbers = [int(row["index"]) for row in csv.DictReader(file)]

    assert numbers == list(range(NUM_CLASSES))
    assert sorted(number for label in imagenet_classes().values() for number in label) == numbers


def test_rows_of_one_key_have_one_name() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        names = {(row["key"], row["name_en"], row["name_zh"]) for row in csv.DictReader(file)}

    assert len(names) == len(everyday_classes())


@pytest.mark.parametrize("language", ["name_en", "name_zh"])
def test_no_two_labels_share_a_name(language: str) -> None:
    names = [getattr(each, language).casefold() for each in everyday_classes()]

    assert len(set(names)) == len(names)
    assert all(name == tidied(name) != "" for name in names)


def test_every_key_works_as_a_folder() -> None:
    keys = list(imagenet_classes())

    assert all(key == tidied(key) and len(key) <= 100 and not {"/", "\\"} & set(key) for key in keys)


def test_classes_that_are_one_thing_to_most_people_are_one_label() -> None:
    assert imagenet_classes()["clock"] == [409, 892]  # analogue and wall clock
