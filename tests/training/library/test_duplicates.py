from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageOps

from tests.drawings import encoded
from training.data.images import ingest
from training.data.near_duplicates import Link, joined
from training.library import duplicates
from training.library.duplicates import group_pictures
from training.library.intake import add_picture
from training.models import Picture, Recognizer


def scene(number: int) -> Image.Image:
    """Something like a photo: many patches of colour."""
    rng = random.Random(number)
    picture = Image.new("RGB", (160, 120), tuple(rng.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(picture)
    for _ in range(25):
        left, top = rng.randrange(-20, 150), rng.randrange(-20, 110)
        box = (left, top, left + rng.randrange(15, 70), top + rng.randrange(15, 70))
        rng.choice([pen.ellipse, pen.rectangle])(box, fill=tuple(rng.randrange(256) for _ in range(3)))
    return picture


def compressed(picture: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(encoded(picture, "JPEG", quality=60)))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda picture: picture.resize((80, 60)),
    "compressed": compressed,
    "cropped": lambda picture: picture.crop((8, 0, 160, 114)),
    "mirrored": ImageOps.mirror,
    "all of these": lambda picture: compressed(ImageOps.mirror(picture.crop((0, 5, 153, 119))).resize((100, 76))),
}


def add(recognizer: Recognizer, picture: Image.Image, label: str = "circle") -> Picture:
    return add_picture(recognizer, label, f"{recognizer.pictures.count()}.png", ingest(encoded(picture)), None)


def groups(recognizer: Recognizer) -> list[str]:
    group_pictures(recognizer)
    return list(recognizer.pictures.order_by("pk").values_list("group", flat=True))


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_in_the_group_of_its_picture(recognizer: Recognizer, change: str) -> None:
    for number in range(4):
        add(recognizer, scene(number))
    add(recognizer, CHANGES[change](scene(2)))

    found = groups(recognizer)

    assert found[4] == found[2]
    assert len(set(found)) == 4


def test_different_pictures_have_groups_of_their_own(recognizer: Recognizer) -> None:
    for number in range(30):
        add(recognizer, scene(number))

    assert len(set(groups(recognizer))) == 30


def test_a_copy_that_comes_later_joins_the_group_there_is(recognizer: Recognizer) -> None:
    add(recognizer, scene(1))
    before = groups(recognizer)

    add(recognizer, CHANGES["mirrored"](scene(1)), label="square")

    assert groups(recognizer) == before * 2


def test_pictures_of_one_source_are_in_one_group(recognizer: Recognizer) -> None:
    for number in range(3):
        add(recognizer, scene(number))
    recognizer.pictures.filter(original_name__in=["0.png", "2.png"]).update(source="sign 7")

    found = groups(recognizer)

    assert found[0] == found[2] != found[1]


def test_what_the_import_said_are_two_objects_stays_apart(recognizer: Recognizer) -> None:
    for source, picture in (("sign 1", scene(1)), ("sign 2", ImageOps.mirror(scene(1)))):
        kept = add(recognizer, picture)
        Picture.objects.filter(pk=kept.pk).update(source=source)

    assert len(set(groups(recognizer))) == 2


def test_pictures_from_before_there_were_fingerprints_get_theirs(recognizer: Recognizer) -> None:
    picture = add(recognizer, scene(1))
    kept = picture.perceptual_hashes
    recognizer.pictures.update(perceptual_hashes="")

    groups(recognizer)

    picture.refresh_from_db()
    assert picture.perceptual_hashes == kept


def test_nothing_is_looked_at_twice(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    add(recognizer, scene(1))
    groups(recognizer)
    looked: list[object] = []
    monkeypatch.setattr(duplicates, "near_duplicates", lambda *arguments: looked.append(arguments) or [])

    groups(recognizer)

    assert looked == []


def test_a_chain_of_likenesses_does_not_join_half_of_the_pictures() -> None:
    chain = [Link(0.05, number, number + 1) for number in range(999)]

    found = joined(1000, chain)

    sizes = {found.sizes[found.find(position)] for position in range(1000)}
    assert max(sizes) <= 100


def test_any_number_of_copies_beyond_doubt_is_one_group() -> None:
    found = joined(1000, [Link(0.01, 0, number) for number in range(1, 900)])

    assert found.sizes[found.find(0)] == 900


def test_a_recognizer_without_pictures_has_no_groups(recognizer: Recognizer, tmp_path: Path) -> None:
    assert groups(recognizer) == []
