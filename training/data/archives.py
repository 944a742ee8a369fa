"""Zip files from strangers: members are counted, capped and read one by one; nothing is ever extracted."""

from __future__ import annotations

import contextlib
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from training.data.members import Member, class_of, is_junk
from training.errors import UnreadableArchive
from training.limits import (
    MAX_ENTRIES,
    MAX_LIST_BYTES,
    MAX_MEMBERS,
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    MAX_UPLOAD_BYTES,
)
from training.messages import N_

# The records at a zip's end (PKWARE's APPNOTE.TXT 6.3, 4.3.12 to 4.3.16); behind the last a comment may stand.
END = struct.Struct("<4s4H2LH")  # signature; …, entries in all; bytes of the list, …; bytes of the comment
END64 = struct.Struct("<4sQ2H2L4Q")  # the same for large zips, right before its locator
LOCATOR = struct.Struct("<4sLQL")  # right before END, where there is END64
ENTRY = struct.Struct("<4s24x3H12x")  # signature; bytes of name, extra field and comment that follow it
MAX_COMMENT = 0xFFFF


@contextlib.contextmanager
def zip_members(archive: Path | BinaryIO) -> Iterator[list[Member]]:
    """The files of a zip of class folders, in the archive's order; the class is the folder a file lies in.

    They can be read, also in threads, until the context ends.

    Raises: UnreadableArchive if the file is no zip or breaks a limit as a whole. What breaks one as a single member is
    raised by that member's `read()`, so that the rest can still be taken.
    """
    with _open(archive) as opened:
        yield [_member(opened, each) for each in _files(opened)]


def count_members(archive: Path | BinaryIO) -> int:
    """How many files `zip_members` will give. Raises: UnreadableArchive."""
    with _open(archive) as opened:
        return len(_files(opened))


def _open(archive: Path | BinaryIO) -> zipfile.ZipFile:
    try:
        _check_list(archive)
        return zipfile.ZipFile(archive)
    except (FileNotFoundError, UnreadableArchive):
        raise
    except Exception as error:  # zipfile raises nearly anything on a broken file
        raise UnreadableArchive(
            N_("This is not a zip we can read. Pack the class folders into a .zip file and send that.")
        ) from error


def _check_list(archive: Path | BinaryIO) -> None:
    """Refuse a list of members that is too long before zipfile makes an object of each.

    It is looked for where zipfile looks. What the zip says of its own length comes first, then the list is counted.

    Raises: UnreadableArchive.
    """
    with archive.open("rb") if isinstance(archive, Path) else contextlib.nullcontext(archive) as file:
        file.seek(0, 2)
        tail_at = max(0, file.tell() - END.size - MAX_COMMENT - 1)
        file.seek(tail_at)
        tail = file.read()
        end_at = _end_of_list(tail)
        if end_at < 0:
            return  # zipfile will say so
        *_, num_entries, num_bytes, _, _ = END.unpack_from(tail, end_at)
        list_end = tail_at + end_at
        end64_at = list_end - LOCATOR.size - END64.size
        if end64_at >= 0:
            file.seek(end64_at)
            record = file.read(END64.size + LOCATOR.size)
            if record.startswith(b"PK\x06\x06") and record[END64.size :].startswith(b"PK\x06\x07"):
                *_, num_entries, num_bytes, _ = END64.unpack_from(record)
                list_end = end64_at
        _refuse_long_list(num_entries, num_bytes)
        file.seek(max(0, list_end - num_bytes))
        _refuse_long_list(_count_entries(file.read(num_bytes)), num_bytes)


def _end_of_list(tail: bytes) -> int:
    """Where in a file's last bytes the record at its end begins; below 0 where there is none."""
    without_comment = len(tail) - END.size
    if without_comment >= 0 and tail.startswith(b"PK\x05\x06", without_comment) and tail.endswith(b"\0\0"):
        return without_comment
    found = tail.rfind(b"PK\x05\x06")
    return found if found <= without_comment else -1


def _count_entries(listed: bytes) -> int:
    """How many entries the bytes hold, whatever the zip says."""
    count = at = 0
    while at + ENTRY.size <= len(listed):
        _, *lengths = ENTRY.unpack_from(listed, at)
        at += ENTRY.size + sum(lengths)
        count += 1
    return count


def _refuse_long_list(num_entries: int, num_bytes: int) -> None:
    if num_entries > MAX_ENTRIES:
        raise UnreadableArchive(
            N_("The zip names %(count)d files and folders; at most %(limit)d files are allowed. Send it in parts."),
            count=num_entries,
            limit=MAX_MEMBERS,
        )
    if num_bytes > MAX_LIST_BYTES:
        raise UnreadableArchive(
            N_("The list of the zip's files takes %(size)d MB; at most %(limit)d MB are allowed. Send it in parts."),
            size=num_bytes // 1_000_000,
            limit=MAX_LIST_BYTES // 1_000_000,
        )


def _files(opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The members that are files and no junk, within the limits of the archive as a whole."""
    names = [(each, _name_of(each)) for each in opened.infolist()]
    files = [each for each, name in names if not name.endswith("/") and not is_junk(name)]
    _check_archive(opened, files)
    return files


def _check_archive(opened: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise UnreadableArchive(
            N_("The zip holds %(count)d files; at most %(limit)d are allowed. Send it in parts."),
            count=len(members),
            limit=MAX_MEMBERS,
        )
    unpacked = sum(each.file_size for each in members)
    if unpacked > MAX_UNPACKED_BYTES:
        raise UnreadableArchive(
            N_("The zip unpacks to %(size).1f GB; at most %(limit).1f GB are allowed. Send it in parts."),
            size=unpacked / 1e9,
            limit=MAX_UNPACKED_BYTES / 1e9,
        )
    packed = sum(each.compress_size for each in members)
    stored = opened.start_dir  # where the list of members begins: all of their bytes lie before it
    if packed > stored:
        raise UnreadableArchive(N_("The zip's files overlap one another, as in a zip bomb. Pack it anew."))


def _member(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    name = _name_of(info)

    def read() -> bytes:
        _check_member(info, name)
        try:
            with opened.open(info) as file:
                data = file.read(MAX_UPLOAD_BYTES + 1)  # ingest() refuses what is longer than the limit
                if len(data) <= MAX_UPLOAD_BYTES:
                    file.read(1)  # at the end the checksum is compared
                return data
        except Exception as error:  # zipfile and its decompressors raise nearly anything on a broken member
            raise UnreadableArchive(N_("The file is damaged inside the zip. Pack the zip anew.")) from error

    return Member(name, class_of(name), read)


def _check_member(info: zipfile.ZipInfo, name: str) -> None:
    if info.flag_bits & 0x1:
        raise UnreadableArchive(N_("The file is encrypted. Pack the zip without a password."))
    if (info.external_attr >> 16) & 0o170000 == 0o120000:
        raise UnreadableArchive(N_("This is a link, not a picture. Put the picture itself into the zip."))
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or ":" in name.partition("/")[0]:
        raise UnreadableArchive(N_("The file's path leads out of the zip. Pack the class folders anew."))
    if info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise UnreadableArchive(
            N_("The file unpacks to more than %(ratio)d times its size, as in a zip bomb."), ratio=MAX_RATIO
        )


def _name_of(info: zipfile.ZipInfo) -> str:
    """The member's path. Without the UTF-8 flag Windows writes Chinese names in GBK, other tools in bare UTF-8."""
    name = info.filename
    if not info.flag_bits & 0x800:
        raw = name.encode("cp437", errors="replace")
        for encoding in ("utf-8", "gb18030"):
            with contextlib.suppress(UnicodeDecodeError):
                name = raw.decode(encoding)
                break
    return name.replace("\\", "/")  # some Windows programs separate folders so
