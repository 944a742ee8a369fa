from __future__ import annotations

import time
import unicodedata
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.drawings import draw, encoded
from tests.types import AddPictures
from training import storage
from training.data.images import ingest, load_pixels
from training.data.members import Member, ReportLine, folder_members, is_junk
from training.data.names import made_visible, tidied
from training.errors import DuplicatePicture
from training.library import intake
from training.library.intake import add_picture, add_pictures
from training.library.manifests import make_new_split, manifest_of, planned_manifest
from training.models import Picture, Recognizer

PICTURE = encoded(draw("circle", 1))


def added(recognizer: Recognizer, files: dict[str, bytes], folder: Path) -> dict[str, ReportLine]:
    """The report lines of a folder with these files, by name."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return {line.name: line for line in add_pictures(recognizer, folder_members(folder), None)}


def test_a_taken_picture_is_kept_as_it_will_be_read(recognizer: Recognizer) -> None:
    picture = add_picture(recognizer, "circle", "my photo.png", ingest(PICTURE), None)

    assert picture.original_name == "my photo.png"
    assert (load_pixels(picture.path, 24) == load_pixels(PICTURE, 24)).all()


def test_the_same_picture_is_refused_naming_the_one_that_is_there(recognizer: Recognizer) -> None:
    add_picture(recognizer, "circle", "first.png", ingest(PICTURE), None)

    with pytest.raises(DuplicatePicture, match=r"“first\.png” under “circle”"):
        add_picture(
            recognizer, "square", "second.webp", ingest(encoded(draw("circle", 1), "WEBP", lossless=True)), None
        )

    assert recognizer.pictures.count() == 1


def test_another_recognizer_may_have_the_same_picture(recognizer: Recognizer) -> None:
    other = Recognizer.objects.create(slug="other", name_en="Other")

    for each in (recognizer, other):
        add_picture(each, "circle", "1.png", ingest(PICTURE), None)

    assert Picture.objects.count() == 2


def test_an_upload_that_was_quicker_with_the_same_picture_wins(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtake(data: bytes, name: str) -> None:
        monkeypatch.setattr(storage, "keep_bytes", lambda data, name: None)
        add_picture(recognizer, "circle", "quicker.png", ingest(PICTURE), None)

    monkeypatch.setattr(storage, "keep_bytes", overtake)

    with pytest.raises(DuplicatePicture, match="quicker"):
        add_picture(recognizer, "circle", "slower.png", ingest(PICTURE), None)


def test_the_class_is_the_folder_a_file_lies_in_at_any_depth(recognizer: Recognizer, tmp_path: Path) -> None:
    files = {f"set/part {number}/circle/1.png": encoded(draw("circle", number)) for number in range(2)}

    added(recognizer, files, tmp_path)

    assert recognizer.labels.get(key="circle").pictures.count() == 2


def test_one_bad_file_does_not_stop_the_rest(recognizer: Recognizer, tmp_path: Path) -> None:
    lines = added(recognizer, {"circle/1.png": b"no picture", "circle/2.png": PICTURE}, tmp_path)

    assert not lines["circle/1.png"].is_taken
    assert "not a picture" in lines["circle/1.png"].reason
    assert lines["circle/2.png"].is_taken


def test_a_file_outside_a_class_folder_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    lines = added(recognizer, {"1.png": PICTURE}, tmp_path)

    assert "no class folder" in lines["1.png"].reason


def test_a_class_name_that_is_too_long_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    lines = added(recognizer, {f"{'n' * 101}/1.png": PICTURE}, tmp_path)

    assert [line.reason for line in lines.values()] == [
        "The class folder's name is longer than 100 characters. Shorten it."
    ]


def test_a_file_that_cannot_be_read_gets_its_line(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "circle").mkdir()
    (tmp_path / "circle" / "1.png").write_bytes(PICTURE)
    members = list(folder_members(tmp_path))
    (tmp_path / "circle" / "1.png").unlink()

    (line,) = add_pictures(recognizer, members, None)

    assert "cannot be read (No such file or directory)" in line.reason


def test_a_new_class_folder_makes_a_label(recognizer: Recognizer, tmp_path: Path) -> None:
    added(recognizer, {"plastic_bottle/1.png": PICTURE}, tmp_path)

    assert recognizer.labels.get(key="plastic_bottle").name_en == "plastic bottle"


def test_a_chinese_class_folder_makes_a_label_with_a_chinese_name(recognizer: Recognizer, tmp_path: Path) -> None:
    added(recognizer, {"塑料瓶/一号.png": PICTURE}, tmp_path)

    label = recognizer.labels.get(key="塑料瓶")
    assert (label.name_zh, label.name_en) == ("塑料瓶", "")
    assert label.name == "塑料瓶"


def test_the_order_of_the_report_is_that_of_the_files(recognizer: Recognizer, tmp_path: Path) -> None:
    files = {f"circle/{number:03}.png": encoded(draw("circle", number)) for number in range(70)}

    assert list(added(recognizer, files, tmp_path)) == sorted(files)


def test_what_was_taken_stays_when_the_caller_stops_half_way(recognizer: Recognizer) -> None:
    members = [Member(f"{number}.png", "circle", partial(encoded, draw("circle", number))) for number in range(5)]

    lines: Any = add_pictures(recognizer, members, None)
    next(lines), next(lines)
    lines.close()

    assert recognizer.pictures.count() == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("__MACOSX/circle/1.png", True),
        ("circle/.DS_Store", True),
        (".hidden/1.png", True),
        ("circle/THUMBS.DB", True),
        ("circle/1.png", False),
        ("../circle/1.png", False),  # refused with a line, not passed over
        (".", False),
    ],
)
def test_junk_is_told_by_its_name(name: str, expected: bool) -> None:
    assert is_junk(name) is expected


def test_a_picture_is_decoded_by_the_shared_decoder(recognizer: Recognizer, tmp_path: Path) -> None:
    """Sixteen bits, transparency and a turned photo would each come out wrong in a decoder of its own."""
    values = np.full((20, 20), 30_000, dtype=np.uint16)

    added(recognizer, {"circle/16.png": encoded(Image.fromarray(values))}, tmp_path)

    pixels = load_pixels(recognizer.pictures.get().path, 8)
    assert (pixels == 30_000 >> 8).all()


def test_a_manifest_names_each_picture_with_its_label(recognizer: Recognizer, add_pictures: AddPictures) -> None:
    for label in ("circle", "square"):
        add_pictures(recognizer, label=label, count=4)

    manifest = manifest_of(recognizer)

    assert manifest.class_names == ["circle", "square"]
    assert all((Path(manifest.root) / entry.file).is_file() for entry in manifest.entries)
    assert {entry.sha256 for entry in manifest.entries} == set(recognizer.pictures.values_list("sha256", flat=True))


def test_a_picture_keeps_its_side_from_one_training_to_the_next(
    recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    for label in ("circle", "square"):
        add_pictures(recognizer, label=label, count=8)
    before = {entry.sha256: entry.split for entry in manifest_of(recognizer).entries}

    add_pictures(recognizer, label="circle", count=8)

    after = {entry.sha256: entry.split for entry in manifest_of(recognizer).entries}
    assert before.items() <= after.items()
    assert dict(recognizer.pictures.values_list("sha256", "split")) == after


def test_the_plan_is_what_training_will_see_and_writes_nothing(
    recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    for label in ("circle", "square"):
        add_pictures(recognizer, label=label, count=4)

    plan = planned_manifest(recognizer)

    assert not recognizer.pictures.exclude(split="", group="").exists()
    assert {each.sha256: each.split for each in plan.entries} == {
        each.sha256: each.split for each in manifest_of(recognizer).entries
    }


def test_splitting_anew_follows_the_recognizers_shares(recognizer: Recognizer, add_pictures: AddPictures) -> None:
    for label in ("circle", "square"):
        add_pictures(recognizer, label=label, count=10)
    manifest_of(recognizer)
    recognizer.test_share = 0.3

    make_new_split(recognizer)

    assert manifest_of(recognizer).count("test") == 6


def test_only_some_pictures_are_held_in_memory_at_a_time(recognizer: Recognizer) -> None:
    read = 0

    def count() -> bytes:
        nonlocal read
        read += 1
        return encoded(draw("circle", read))

    lines: Any = add_pictures(recognizer, (Member(f"{n}.png", "circle", count) for n in range(200)), None)
    next(lines)
    time.sleep(0.2)
    lines.close()

    assert read <= intake.AHEAD


# --- names that look alike
@pytest.mark.parametrize("folder", [" circle", "circle ", "\u202ecircle", "cir\u200bcle"])
def test_a_folder_that_looks_like_a_label_is_that_label_and_the_report_says_so(
    recognizer: Recognizer, tmp_path: Path, folder: str
) -> None:
    other = {f"{folder}/{number}.png": encoded(draw("circle", number)) for number in (1, 2)}

    lines = added(recognizer, other, tmp_path)

    assert {each.label.key for each in recognizer.pictures.select_related("label")} == {"circle"}
    assert sorted(line.reason for line in lines.values()) == [
        "",
        f"The folder “{made_visible(folder)}” was taken as “circle”.",
    ]


def test_a_new_label_is_kept_without_what_cannot_be_seen(recognizer: Recognizer) -> None:
    picture = add_picture(recognizer, "\u202e  plastic\u3000bottle ", "1.png", ingest(PICTURE), None)

    assert (picture.label.key, picture.label.name_en) == ("plastic bottle", "plastic bottle")


def test_both_ways_to_write_a_letter_are_one_label_without_a_word(recognizer: Recognizer, tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "Käfer") for form in ("NFC", "NFD")]

    lines = added(recognizer, {f"{name}/{n}.png": encoded(draw("circle", n)) for n, name in enumerate(names)}, tmp_path)

    assert recognizer.labels.filter(key="Käfer").get().pictures.count() == 2
    assert {line.reason for line in lines.values()} == {""}


@pytest.mark.parametrize("kept", [" circle", "\u202ecat", unicodedata.normalize("NFD", "Käfer")])
def test_labels_of_an_earlier_release_go_on_under_their_own_names(recognizer: Recognizer, kept: str) -> None:
    label = recognizer.labels.create(key=kept)

    for number, name in enumerate((kept, tidied(kept))):
        add_picture(recognizer, name, "1.png", ingest(encoded(draw("circle", number))), None)

    assert label.pictures.count() == (1 if tidied(kept) == "circle" else 2)  # there is a label circle beside it


def test_a_folder_whose_name_cannot_be_seen_is_none(recognizer: Recognizer, tmp_path: Path) -> None:
    (line,) = added(recognizer, {"\u200b/1.png": PICTURE}, tmp_path).values()

    assert "lies in no class folder" in line.reason


def test_a_hidden_folder_is_hidden_behind_what_cannot_be_seen_too() -> None:
    assert is_junk("\u200b.git/1.png")
