from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.drawings import draw, encoded, zipped
from training import storage
from training.data import group_table
from training.data.group_table import GroupTable
from training.errors import UnreadableArchive
from training.library import imports
from training.models import PictureImport, Recognizer

TABLE = "class,file,group\ncircle,0.png,sign 1\ncircle,1.png,sign 1\ncircle,gone.png,sign 2\n"
FILES = {f"circle/{number}.png": encoded(draw("circle", number)) for number in range(3)}


def sources(recognizer: Recognizer) -> list[str]:
    return list(recognizer.pictures.order_by("original_name").values_list("source", flat=True))


def imported(recognizer: Recognizer, folder: Path, *words: object) -> str:
    for name, data in FILES.items():
        (folder / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "set" / name).write_bytes(data)
    printed = io.StringIO()
    call_command("import_pictures", "shapes", str(folder / "set"), *map(str, words), stdout=printed)
    return printed.getvalue()


def test_a_table_says_which_pictures_show_one_object(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_text(TABLE)

    printed = imported(recognizer, tmp_path, "--groups", tmp_path / "objects.csv")

    assert sources(recognizer) == ["sign 1", "sign 1", ""]
    assert "circle/gone.png: groups.csv names this file" in printed


def test_a_table_of_bare_file_names_with_other_columns_will_do(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "groups.csv").write_text("system,file,group\nx,2.png,one\nx,circle/0.png,one\n")

    imported(recognizer, tmp_path)

    assert sources(recognizer) == ["one", "", "one"]


def test_a_table_without_its_columns_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_text("name,object\n")

    with pytest.raises(CommandError, match="has the columns “name, object”; it needs file and group"):
        imported(recognizer, tmp_path, "--groups", tmp_path / "objects.csv")


def test_a_table_that_is_not_there_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        imported(recognizer, tmp_path, "--groups", tmp_path / "gone.csv")


def test_a_zip_may_hold_the_table(recognizer: Recognizer) -> None:
    members = {f"shapes/{name}": data for name, data in FILES.items()}
    storage.keep_bytes(zipped({**members, "shapes/groups.csv": TABLE.encode("utf-8-sig")}), "imports/1.zip")
    row = recognizer.imports.create(name="shapes.zip", archive="imports/1.zip")

    row.claim("reader@here")
    imports.read_archive(row)

    row = PictureImport.objects.get()
    assert sources(recognizer) == ["sign 1", "sign 1", ""]
    assert [line["name"] for line in row.report if not line["is_taken"]] == ["circle/gone.png"]


def test_what_was_imported_before_learns_its_object_from_a_later_table(recognizer: Recognizer, tmp_path: Path) -> None:
    imported(recognizer, tmp_path)
    recognizer.pictures.update(group="looked for")
    (tmp_path / "objects.csv").write_text(TABLE)

    imported(recognizer, tmp_path, "--groups", tmp_path / "objects.csv")

    assert sources(recognizer) == ["sign 1", "sign 1", ""]
    regrouped = set(recognizer.pictures.filter(source="sign 1").values_list("group", flat=True))
    assert len(regrouped) == 1
    assert "looked for" not in regrouped


def test_a_table_knows_a_class_that_looks_the_same(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_text(TABLE.replace("circle,", " circle\u200b,"))

    imported(recognizer, tmp_path, "--groups", tmp_path / "objects.csv")

    assert sources(recognizer) == ["sign 1", "sign 1", ""]


def test_a_table_longer_than_an_import_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_table, "MAX_TABLE_ROWS", 2)

    with pytest.raises(UnreadableArchive, match="more than 2 rows"):
        GroupTable.read(TABLE)


def test_a_table_that_python_cannot_read_is_refused_in_a_sentence() -> None:
    with pytest.raises(UnreadableArchive, match=r"groups\.csv cannot be read"):
        GroupTable.read(f"file,group\n{'x' * 200_000},1\n")
