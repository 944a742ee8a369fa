"""A disk without room, a real one: a sentence everywhere, nothing half kept, and it goes on when there is room."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.disks import fill, mounted
from tests.types import MakeZip, PictureBytes
from training.disk import is_full
from training.library import imports
from training.models import ModelVersion, Recognizer

pytestmark = pytest.mark.django_db
UPLOAD = "/manage/shapes/pictures/upload/"
CLASSIFY = "/api/v1/recognizers/shapes/classify"
JSON = {"Accept": "application/json"}


@pytest.fixture
def disk(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Uploads come to a disk of one megabyte."""
    with mounted(tmp_path / "disk", "1m") as disk:
        (disk / "tmp").mkdir()
        settings.FILE_UPLOAD_TEMP_DIR, settings.FILE_UPLOAD_MAX_MEMORY_SIZE = disk / "tmp", 0
        yield disk


@pytest.fixture
def store(disk: Path, settings: Any) -> Path:
    """What is kept lies there too."""
    settings.DATA_DIR, settings.MEDIA_ROOT = disk, disk / "files"
    return disk


def picture(data: bytes) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("a.png", data)}


def kept(disk: Path) -> list[str]:
    return sorted(each.name for each in disk.rglob("*") if each.is_file())


@pytest.mark.parametrize("path", [CLASSIFY, "/r/shapes/"])
def test_a_photo_that_finds_no_room_is_told_so_and_the_next_is_answered(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes, disk: Path, path: str
) -> None:
    fill(disk)

    refused = client.post(path, picture(picture_bytes()), headers={"Accept-Language": "en"})

    assert (refused.status_code, "no room left on the disk" in refused.text) == (507, True)
    assert kept(disk) == ["filler"]
    (disk / "filler").unlink()
    assert client.post(path, picture(picture_bytes())).status_code == 200


def test_the_page_says_it_in_chinese_and_a_piece_of_a_page_in_its_place(
    client: Client, version: ModelVersion, picture_bytes: PictureBytes, disk: Path
) -> None:
    fill(disk)

    page = client.post("/r/shapes/", picture(picture_bytes()), headers={"Accept-Language": "zh-hans"})
    piece = client.post("/r/shapes/", picture(picture_bytes()), headers={"HX-Request": "true"})

    assert "磁盘" in page.text
    assert piece.text.startswith("<div")


def test_a_zip_that_finds_no_room_leaves_neither_row_nor_file(
    staff_client: Client, recognizer: Recognizer, picture_bytes: PictureBytes, make_zip: MakeZip, store: Path
) -> None:
    fill(store)

    archive = SimpleUploadedFile("shapes.zip", make_zip({"circle/1.png": picture_bytes()}))
    refused = staff_client.post(UPLOAD, {"archive": archive}, headers=JSON)

    assert refused.status_code == 507
    assert "has 0 kB left; 21 kB are to stay free" in refused.json()["errors"][0]
    assert recognizer.imports.count() == 0
    assert kept(store) == ["filler"]


def test_an_import_that_fills_the_disk_keeps_what_it_took(
    recognizer: Recognizer, staff: User, make_zip: MakeZip, picture_bytes: PictureBytes, store: Path
) -> None:
    pictures = {f"circle/{number}.png": picture_bytes(number=number) for number in range(40)}
    (store / "files" / "imports").mkdir(parents=True)
    (store / "files" / "imports" / "a.zip").write_bytes(make_zip(pictures))
    row = recognizer.imports.create(name="a.zip", archive="imports/a.zip", num_files=40, started_by=staff)
    assert row.claim("here")
    fill(store, room=40_000)

    imports.read_archive(row)

    row.refresh_from_db()
    assert row.state == row.State.FAILED
    assert "What was taken is kept" in str(row.error)
    assert 0 < recognizer.pictures.count() < 40
    assert all(each.path.exists() for each in recognizer.pictures.all())
    assert list((store / "incoming").iterdir()) == []


def test_a_full_database_is_known_as_such(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "small.sqlite3")) as small:
        small.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.Error) as caught:
            small.execute("CREATE TABLE large AS SELECT zeroblob(10000000)")

    assert is_full(caught.value)
    assert is_full(psycopg.errors.DiskFull())
    assert not is_full(sqlite3.OperationalError("database is locked"))
