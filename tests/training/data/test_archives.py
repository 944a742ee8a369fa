from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.drawings import draw, encoded, zipped
from training.data import archives
from training.data.archives import count_members, zip_members
from training.errors import UnreadableArchive
from training.limits import MAX_ENTRIES, MAX_LIST_BYTES

PICTURE = encoded(draw("circle", 1))


def read_all(archive: bytes) -> dict[str, bytes | str]:
    """Every member's bytes, or the sentence that refused it."""
    found: dict[str, bytes | str] = {}
    with zip_members(io.BytesIO(archive)) as members:
        for member in members:
            try:
                found[member.name] = member.read()
            except UnreadableArchive as error:
                found[member.name] = str(error)
    return found


def patched(archive: bytes, change: Callable[[bytearray, int], None], *, local: bool = False) -> bytes:
    """The zip with one header of its first member changed: in the list at its end, or the one before the bytes."""
    altered = bytearray(archive)
    change(altered, archive.index(b"PK\x03\x04" if local else b"PK\x01\x02"))
    return bytes(altered)


def without_utf8_flag(name: bytes) -> bytes:
    """A zip with a name in whatever bytes a program without Unicode wrote."""
    stand_in = ("n" * len(name)).encode()
    return zipped({stand_in.decode(): PICTURE}).replace(stand_in, name)


def test_members_come_in_order_with_the_folder_they_lie_in() -> None:
    archive = zipped({"shapes/square/2.png": b"2", "shapes/circle/1.png": b"1", "loose.png": b"3"})

    with zip_members(io.BytesIO(archive)) as members:
        found = [(each.name, each.class_name) for each in members]

    assert found == [
        ("shapes/square/2.png", "square"),
        ("shapes/circle/1.png", "circle"),
        ("loose.png", ""),
    ]
    assert count_members(io.BytesIO(archive)) == 3


@pytest.mark.parametrize("data", [b"", b"PK", b"this is no zip", PICTURE, zipped({"a/1.png": PICTURE})[:-30]])
def test_what_is_no_zip_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableArchive, match="not a zip"):
        count_members(io.BytesIO(data))


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)

    with pytest.raises(UnreadableArchive, match="holds 4 files; at most 3"):
        count_members(io.BytesIO(zipped({f"a/{number}.png": b"" for number in range(4)})))


def listing(count: int, *, told: int | None = None, is_large: bool = False) -> bytes:
    """A zip of nothing but its list: `count` entries, which it says are `told`."""
    entries = b"".join(struct.pack("<4s24xH16x9s", b"PK\x01\x02", 9, b"a/%07d" % number) for number in range(count))
    told = count if told is None else told
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, told, told, len(entries), 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(entries), 1)
    small = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF) if is_large else (told, told, len(entries), 0)
    return entries + (end64 + locator if is_large else b"") + struct.pack("<4s2H2H2LH", b"PK\x05\x06", 0, 0, *small, 0)


def memory_to_refuse(archive: Path, sentence: str) -> int:
    """The most bytes that Python held at a time while it came to this sentence."""
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableArchive, match=sentence):
            count_members(archive)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_million_members_are_refused_before_their_list_is_read(tmp_path: Path) -> None:
    archive = tmp_path / "million.zip"
    archive.write_bytes(listing(1_000_000, is_large=True))

    memory = memory_to_refuse(archive, "names 1000000 files and folders; at most 20000")

    assert memory < 1_000_000


@pytest.mark.parametrize(
    ("count", "sentence"), [(1_000_000, "list of the zip's files takes 55 MB; at most 32"), (400_000, "names 400000 ")]
)
@pytest.mark.parametrize("is_large", [False, True])
def test_a_zip_that_lies_about_how_many_members_it_has_is_refused(
    tmp_path: Path, count: int, sentence: str, is_large: bool
) -> None:
    archive = tmp_path / "lies.zip"
    archive.write_bytes(listing(count, told=2, is_large=is_large))

    memory = memory_to_refuse(archive, sentence)

    assert memory < 2 * MAX_LIST_BYTES


@pytest.mark.parametrize("comment", [b"", b"made by hand", b"\0" * 0xFFFF])
def test_a_list_is_counted_past_a_comment(comment: bytes) -> None:
    archive = listing(MAX_ENTRIES + 1)[:-2] + struct.pack("<H", len(comment)) + comment

    with pytest.raises(UnreadableArchive, match="names 60001 files and folders"):
        count_members(io.BytesIO(archive))


def test_folders_and_junk_do_not_count_as_files() -> None:
    pictures = {f"a{number}/1.png": b"" for number in range(30)}
    beside = {f"a{number}/": b"" for number in range(30)} | {f"__MACOSX/a{number}/._1.png": b"" for number in range(30)}

    assert count_members(io.BytesIO(zipped({**beside, **pictures}))) == 30


def test_too_many_bytes_are_refused_before_any_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1000)

    with pytest.raises(UnreadableArchive, match="unpacks to"):
        count_members(io.BytesIO(zipped({"a/1": b"\0" * 600, "a/2": b"\0" * 600})))


def test_a_member_that_unpacks_to_more_than_a_hundred_times_its_size_is_refused() -> None:
    found = read_all(zipped({"a/bomb.png": b"\0" * 5_000_000, "a/good.png": PICTURE}))

    assert "zip bomb" in found["a/bomb.png"]
    assert found["a/good.png"] == PICTURE


def test_members_that_share_their_bytes_are_refused() -> None:
    noise = random.Random(1).randbytes(50_000)
    good = zipped({"a/1.png": noise})
    start = good.index(b"PK\x01\x02")
    entry = good[start : good.index(b"PK\x05\x06")]
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 50, 50, 50 * len(entry), start, 0)

    with pytest.raises(UnreadableArchive, match="overlap"):
        count_members(io.BytesIO(good[:start] + entry * 50 + end))


def test_a_zip_in_a_zip_is_handed_on_as_it_is() -> None:
    inner = zipped({"b/2.png": PICTURE})

    assert read_all(zipped({"a/inner.zip": inner})) == {"a/inner.zip": inner}


def test_a_link_is_refused() -> None:
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")

    assert "link" in read_all(file.getvalue())["a/link.png"]


def test_an_encrypted_member_is_refused() -> None:
    def encrypt(data: bytearray, header: int) -> None:
        data[header + 8] |= 1

    found = read_all(patched(zipped({"a/1.png": PICTURE, "a/2.png": PICTURE}), encrypt))

    assert "password" in found["a/1.png"]
    assert found["a/2.png"] == PICTURE


@pytest.mark.parametrize("name", ["/etc/1.png", "../1.png", "a/../../1.png", "a/..", "C:/a/1.png", "C:\\a\\1.png"])
def test_a_name_that_leads_out_of_the_zip_is_refused(name: str) -> None:
    found = read_all(zipped({name: PICTURE}))

    assert "leads out of the zip" in found[name.replace("\\", "/")]


@pytest.mark.parametrize("offset", [20, 24], ids=["packed", "unpacked"])
@pytest.mark.parametrize("size", [0, 10])
def test_a_size_that_lies_harms_its_member_alone(offset: int, size: int) -> None:
    def lie(data: bytearray, header: int) -> None:
        struct.pack_into("<I", data, header + offset, size)

    found = read_all(patched(zipped({"a/1.png": random.Random(1).randbytes(500), "a/2.png": PICTURE}), lie))

    assert isinstance(found["a/1.png"], str)
    assert found["a/2.png"] == PICTURE


def test_a_wrong_checksum_is_damage() -> None:
    def spoil(data: bytearray, header: int) -> None:
        data[header + 16] ^= 0xFF

    assert "damaged" in read_all(patched(zipped({"a/1.png": PICTURE}), spoil))["a/1.png"]


def test_whatever_byte_is_flipped_the_error_is_one_of_ours() -> None:
    good = zipped({"a/1.png": PICTURE, "a/2.txt": b"hello " * 100, "b": b""})
    refused = 0

    for place in range(len(good)):
        broken = good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :]
        try:
            read_all(broken)
        except UnreadableArchive:  # any other would fail the test
            refused += 1

    assert 0 < refused < len(good)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_chinese_names_are_read_without_the_utf8_flag(encoding: str) -> None:
    archive = without_utf8_flag("垃圾/塑料瓶/一号.png".encode(encoding))

    with zip_members(io.BytesIO(archive)) as (member,):
        data = member.read()

    assert (member.name, member.class_name) == ("垃圾/塑料瓶/一号.png", "塑料瓶")
    assert data == PICTURE


def test_chinese_names_are_read_with_the_flag() -> None:
    assert list(read_all(zipped({"塑料瓶/一号.png": PICTURE}))) == ["塑料瓶/一号.png"]


def test_a_backslash_separates_folders_as_some_windows_programs_write_it() -> None:
    archive = zipped({"shapes\\circle\\": b"", "shapes\\circle\\1.png": PICTURE})

    with zip_members(io.BytesIO(archive)) as (member,):
        pass

    assert (member.name, member.class_name) == ("shapes/circle/1.png", "circle")


def test_what_computers_leave_lying_about_is_passed_over() -> None:
    junk = ["__MACOSX/a/._1.png", "a/.DS_Store", ".git/config", "a/Thumbs.db", "a/desktop.ini", "a/"]

    found = read_all(zipped({**dict.fromkeys(junk, b"junk"), "a/1.png": PICTURE}))

    assert list(found) == ["a/1.png"]


def test_a_member_without_a_name_harms_nothing() -> None:
    found = read_all(zipped({"NONE": PICTURE, ".": PICTURE, "a/1.png": PICTURE}).replace(b"NONE", b"\0\0\0\0"))

    assert found["a/1.png"] == PICTURE


def test_of_two_members_with_one_name_each_gives_its_own_bytes() -> None:
    archive = zipped({"a/1.png": b"first", "a/2.png": b"second"}).replace(b"a/2.png", b"a/1.png")

    with zip_members(io.BytesIO(archive)) as members:
        found = [(member.name, member.read()) for member in members]

    assert found == [("a/1.png", b"first"), ("a/1.png", b"second")]


def test_members_can_be_read_in_threads(tmp_path: Path) -> None:
    noise = {f"a/{number}": random.Random(number).randbytes(20_000) for number in range(40)}
    (tmp_path / "a.zip").write_bytes(zipped(noise))

    with zip_members(tmp_path / "a.zip") as members, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda member: member.read(), members))

    assert found == list(noise.values())


def test_a_zip_that_is_not_there_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        count_members(tmp_path / "gone.zip")
