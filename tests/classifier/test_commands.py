from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.drawings import SHAPES, draw, encoded
from training.models import ModelVersion, Recognizer


def run(*words: object, printed: io.StringIO | None = None, complaints: io.StringIO | None = None) -> str:
    """What a command prints."""
    printed = printed or io.StringIO()
    call_command(*map(str, words), stdout=printed, stderr=complaints or io.StringIO())
    return printed.getvalue()


@pytest.fixture
def circle(tmp_path: Path) -> Path:
    path = tmp_path / "circle.png"
    path.write_bytes(encoded(draw("circle", 999)))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten unseen pictures in each of two class folders."""
    for shape in SHAPES:
        (tmp_path / "unseen" / shape).mkdir(parents=True)
        for number in range(1000, 1010):
            (tmp_path / "unseen" / shape / f"{number}.png").write_bytes(encoded(draw(shape, number)))
    return tmp_path / "unseen"


# --- classify


def test_a_picture_is_classified_in_a_readable_line(version: ModelVersion, circle: Path) -> None:
    line = run("classify", "shapes", circle)

    assert line.startswith(f"{circle}: Circle ")
    assert "%, Square " in line


def test_with_json_there_is_one_object_a_line(version: ModelVersion, circle: Path) -> None:
    first, second = map(json.loads, run("classify", "shapes", circle, circle, "--json").splitlines())

    assert first == second
    assert (first["file"], first["recognizer"], first["version"], first["label"]) == (
        str(circle),
        "shapes",
        1,
        "circle",
    )
    assert {score["name"]: score["label"] for score in first["scores"]} == {"Circle": "circle", "Square": "square"}


def test_a_bad_file_is_named_and_the_rest_is_classified(version: ModelVersion, circle: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.png").write_text("Dear Sir or Madam")
    printed = io.StringIO()

    with pytest.raises(CommandError, match="2 of 3 files could not be classified"):
        run("classify", "shapes", tmp_path / "letter.png", tmp_path / "gone.png", circle, printed=printed)

    letter, gone, good = printed.getvalue().splitlines()
    assert "letter.png: This is not a picture" in letter
    assert "gone.png: The file cannot be read: No such file or directory." in gone
    assert "Circle" in good


def test_an_error_is_json_too(version: ModelVersion, tmp_path: Path) -> None:
    printed = io.StringIO()

    with pytest.raises(CommandError):
        run("classify", "shapes", tmp_path / "gone.png", "--json", printed=printed)

    assert json.loads(printed.getvalue()).keys() == {"file", "error"}


def test_an_unknown_recognizer_is_refused_with_the_known_ones(recognizer: Recognizer, circle: Path) -> None:
    with pytest.raises(CommandError, match=r"“birds”.*shapes"):
        run("classify", "birds", circle)


def test_a_recognizer_without_a_version_says_so(recognizer: Recognizer, circle: Path) -> None:
    with pytest.raises(CommandError, match="no published version"):
        run("classify", "shapes", circle)


# --- evaluate


def test_a_folder_is_evaluated_in_a_readable_table(version: ModelVersion, folder: Path) -> None:
    report = run("evaluate", "shapes", folder)

    assert report.startswith(("accuracy 1.0000 on 20 pictures", "accuracy 0.9500 on 20 pictures"))
    assert "precision  recall" in report
    assert "calibration error 0." in report
    assert "hold the true class of" in report
    assert "a row is what it is, a column what was answered" in report


def test_with_json_there_are_the_same_figures_for_programs(version: ModelVersion, folder: Path) -> None:
    figures = json.loads(run("evaluate", "shapes", folder, "--json"))

    assert figures.keys() >= {"recognizer", "version", "pictures", "accuracy", "interval", "classes", "confusion"}
    assert (figures["recognizer"], figures["version"], figures["pictures"]) == ("shapes", 1, 20)
    assert figures["accuracy"] >= 0.95
    assert [each["name"] for each in figures["classes"]] == ["circle", "square"]
    assert [sum(row) for row in figures["confusion"]] == [10, 10]


def test_a_folder_that_looks_like_a_class_is_that_class(version: ModelVersion, folder: Path) -> None:
    (folder / "square").rename(folder / " square\u200b")

    assert json.loads(run("evaluate", "shapes", folder, "--json"))["pictures"] == 20


def test_of_many_classes_the_table_has_those_that_occur(
    version: ModelVersion, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifier.management.commands.evaluate.MANY", 1)
    shutil.rmtree(folder / "circle")

    report = run("evaluate", "shapes", folder)

    assert "square" in report
    assert "circle" not in report


def test_a_folder_that_holds_one_class_is_evaluated(version: ModelVersion, folder: Path) -> None:
    (folder / "square").rename(folder.parent / "square")

    assert json.loads(run("evaluate", "shapes", folder, "--json"))["pictures"] == 10


def test_unreadable_pictures_are_named_and_left_out(version: ModelVersion, folder: Path) -> None:
    (folder / "circle" / "letter.png").write_text("Dear Sir or Madam")
    complaints = io.StringIO()

    report = run("evaluate", "shapes", folder, complaints=complaints)

    assert "on 20 pictures" in report
    assert "letter.png: This is not a picture" in complaints.getvalue()


def test_a_folder_of_an_unknown_class_is_refused(version: ModelVersion, folder: Path) -> None:
    (folder / "triangle").mkdir()

    with pytest.raises(CommandError, match=r"knows no class “triangle”\. It knows: circle, square"):
        run("evaluate", "shapes", folder)


def test_an_empty_folder_is_refused(version: ModelVersion, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(CommandError, match="holds no picture that can be read in a folder named circle / square"):
        run("evaluate", "shapes", tmp_path / "empty")


def test_a_missing_folder_is_refused(version: ModelVersion, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="gone is no folder"):
        run("evaluate", "shapes", tmp_path / "gone")
