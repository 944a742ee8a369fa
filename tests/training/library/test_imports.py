from __future__ import annotations

import signal
import struct
import threading
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import override
from PIL import Image

from tests.drawings import draw, encoded, shapes_zip, zipped
from tests.processes import wait_until
from training import queue, storage, tasks
from training.data.archives import zip_members
from training.data.images import ingest, load_pixels
from training.data.members import ReportLine
from training.errors import LeaseLost, TrainingError
from training.hardware import without_gpus
from training.library import imports
from training.library.intake import add_picture, add_pictures
from training.models import PictureImport, Recognizer, Worker
from training.runs import supervisor
from training.runs.failure_reasons import death
from training.runs.presence import Does, report
from training.runs.reconciler import reconcile

UploadZip = Callable[[bytes], PictureImport]


@pytest.fixture
def upload(recognizer: Recognizer) -> UploadZip:
    def make(archive: bytes) -> PictureImport:
        name = f"imports/{recognizer.imports.count()}.zip"
        storage.keep_bytes(archive, name)
        return recognizer.imports.create(name="shapes.zip", archive=name)

    return make


def read(upload: PictureImport) -> PictureImport:
    """Claimed and read in this process, as the reader's own process does it."""
    row = PictureImport.objects.get(pk=upload.pk)
    if row.claim("reader@here"):
        imports.read_archive(row)
    upload.refresh_from_db()
    return upload


def carry_out_and_close(row: PictureImport) -> None:
    """What a worker's thread does."""
    try:
        supervisor.carry_out(row, owner="imports@here")
    finally:
        connection.close()


def lines_of(upload: PictureImport) -> dict[str, ReportLine]:
    return {line.name: line for line in (ReportLine(**each) for each in upload.report)}


def bomb() -> bytes:
    """A PNG that promises 200 megapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 9))


def planted() -> dict[str, bytes]:
    """One file of each kind that turns up in real uploads, by name."""
    turned = Image.Exif()
    turned[0x0112] = 6
    see_through = draw("circle", 3)
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    frames = [draw("circle", number) for number in range(3)]
    deep = np.linspace(0, 65_535, 1600).astype(np.uint16).reshape(40, 40)
    return {
        "shapes/circle/cut short.jpg": encoded(draw("circle", 1, side=200), "JPEG")[:1500],
        "shapes/circle/a letter.jpg": b"Dear Sir or Madam",
        "shapes/circle/nothing.png": b"",
        "shapes/circle/sixteen bits.png": encoded(Image.fromarray(deep)),
        "shapes/circle/for print.jpg": encoded(draw("circle", 2).convert("CMYK"), "JPEG"),
        "shapes/circle/see-through.png": encoded(see_through),
        "shapes/circle/turned.jpg": encoded(draw("circle", 4), "JPEG", exif=turned),
        "shapes/circle/moving.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "shapes/circle/drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "shapes/circle/bomb.png": bomb(),
        "shapes/circle/红色的圆.png": encoded(draw("circle", 5)),
        "shapes/square/twice.png": encoded(draw("circle", 5)),
    }


def good() -> dict[str, bytes]:
    return {f"shapes/square/{number}.png": encoded(draw("square", number)) for number in range(40)}


def test_twelve_strange_files_are_each_taken_or_named_with_their_reason(upload: UploadZip) -> None:
    lines = lines_of(read(upload(zipped({**good(), **planted()}))))

    refused = {Path(name).name: line.reason for name, line in lines.items() if not line.is_taken}
    reasons = {
        "cut short.jpg": "damaged or incomplete",
        "a letter.jpg": "not a picture",
        "nothing.png": "empty",
        "moving.gif": "JPEG, PNG or WebP",
        "drawing.svg": "JPEG, PNG or WebP",
        "bomb.png": "40 megapixels",
        "twice.png": "“shapes/circle/红色的圆.png” under “circle”",
    }
    assert refused.keys() == reasons.keys()
    assert [name for name, reason in reasons.items() if reason not in refused[name]] == []


def test_the_good_ones_around_bad_files_are_all_taken(recognizer: Recognizer, upload: UploadZip) -> None:
    row = read(upload(zipped({**planted(), **good()})))

    assert (row.state, row.num_files, row.num_taken, row.num_refused) == ("done", 52, 45, 7)
    assert recognizer.pictures.count() == 45
    assert recognizer.labels.get(key="square").pictures.count() == 40


def test_odd_pictures_are_taken_with_the_right_pixels(recognizer: Recognizer, upload: UploadZip) -> None:
    files = planted()
    taken = ("sixteen bits.png", "for print.jpg", "see-through.png", "turned.jpg", "红色的圆.png")

    read(upload(zipped(files)))

    for name in taken:
        picture = recognizer.pictures.get(original_name=f"shapes/circle/{name}")
        assert (load_pixels(picture.path, 24) == load_pixels(files[f"shapes/circle/{name}"], 24)).all(), name


def test_the_reasons_are_read_in_the_language_of_the_reader(upload: UploadZip) -> None:
    row = read(upload(zipped({"circle/1.png": b""})))

    with override("zh-hans"):
        (line,) = lines_of(row).values()
        chinese = line.reason

    assert line.sentence["template"].startswith("The file is empty")
    assert chinese


def test_a_member_that_lies_is_refused_and_its_namesake_taken(recognizer: Recognizer, upload: UploadZip) -> None:
    archive = zipped({"circle/1.png": b"I am no picture at all", "circle/2.png": encoded(draw("circle", 1))})

    row = read(upload(archive.replace(b"circle/2.png", b"circle/1.png")))

    assert [line["is_taken"] for line in row.report] == [False, True]


def test_a_chinese_class_folder_is_a_class(recognizer: Recognizer, upload: UploadZip) -> None:
    read(upload(zipped({"垃圾/塑料瓶/一号.png": encoded(draw("circle", 1))})))

    assert recognizer.labels.get(key="塑料瓶").pictures.get().original_name == "垃圾/塑料瓶/一号.png"


def test_a_file_without_a_class_folder_is_refused(upload: UploadZip) -> None:
    row = read(upload(zipped({"1.png": encoded(draw("circle", 1)), "circle/1.png": encoded(draw("circle", 2))})))

    assert "no class folder" in lines_of(row)["1.png"].reason
    assert row.num_taken == 1


def test_what_is_no_zip_fails_in_plain_words(upload: UploadZip) -> None:
    row = read(upload(b"this is no zip"))

    assert row.state == PictureImport.State.FAILED
    assert "not a zip" in row.error


def test_a_zip_that_vanished_fails_in_plain_words(upload: UploadZip) -> None:
    row = upload(shapes_zip(1))
    storage.forget(row.archive)

    read(row)

    assert row.state == PictureImport.State.FAILED
    assert row.error == "The uploaded zip is not here any more. Upload it again."


def test_the_zip_is_removed_once_it_is_read(upload: UploadZip) -> None:
    row = read(upload(shapes_zip(1)))

    assert row.num_read == row.num_files
    assert not storage.local_path(row.archive).exists()


def test_of_two_claims_one_wins(upload: UploadZip) -> None:
    row = upload(shapes_zip(1))
    rival = PictureImport.objects.get(pk=row.pk)

    assert [row.claim("a@here"), rival.claim("b@here")] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_a_task_that_is_delivered_twice_reads_the_zip_once(upload: UploadZip) -> None:
    row = upload(shapes_zip(20))

    def work() -> None:
        read(PictureImport.objects.get(pk=row.pk))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    row.refresh_from_db()
    assert (row.num_files, row.num_taken, row.num_refused) == (40, 40, 0)


def test_a_finished_import_is_not_read_again(recognizer: Recognizer, upload: UploadZip) -> None:
    row = read(upload(shapes_zip(1)))
    recognizer.pictures.all().delete()

    read(row)

    assert recognizer.pictures.count() == 0


def test_an_import_whose_reader_died_is_claimed_again(recognizer: Recognizer, upload: UploadZip) -> None:
    row = upload(shapes_zip(3))
    row.claim("reader@there")
    PictureImport.objects.filter(pk=row.pk).update(heartbeat=timezone.now() - timedelta(minutes=2))

    reconcile()
    read(row)

    assert (row.state, row.num_taken, row.attempts) == ("done", 6, 2)
    assert "reader@there" in row.interruption


def test_what_an_attempt_took_in_that_was_cut_off_counts_as_taken(recognizer: Recognizer, upload: UploadZip) -> None:
    row = upload(shapes_zip(3))
    row.claim("reader@there")
    with zip_members(storage.local_path(row.archive)) as members:
        list(add_pictures(recognizer, members[:4], None, row))
    row.interrupt(TrainingError("It was killed."))

    read(row)

    assert (row.num_taken, row.num_refused, recognizer.pictures.count()) == (6, 0, 6)


def test_of_equal_pictures_in_a_zip_that_is_read_on_the_first_counts_as_taken_and_the_others_as_duplicates(
    recognizer: Recognizer, upload: UploadZip
) -> None:
    picture, long = encoded(draw("circle", 1)), "folder/" * 60
    row = upload(zipped({f"a{long}circle/1.png": picture, f"b{long}circle/1.png": picture, "circle/1.png": picture}))
    row.claim("reader@there")
    with zip_members(storage.local_path(row.archive)) as members:
        list(add_pictures(recognizer, members, None, row))
    row.interrupt(TrainingError("It was killed."))

    read(row)

    assert [line["is_taken"] for line in row.report] == [True, False, False]


def test_what_others_brought_meanwhile_stays_a_duplicate_to_an_import_that_is_read_on(
    recognizer: Recognizer, upload: UploadZip
) -> None:
    row = upload(zipped({"circle/1.png": encoded(draw("circle", 1)), "circle/2.png": encoded(draw("circle", 2))}))
    row.claim("reader@there")
    add_picture(recognizer, "circle", "circle/2.png", ingest(encoded(draw("circle", 2))), None)
    row.interrupt(TrainingError("It was killed."))

    read(row)

    assert (row.num_taken, row.num_refused) == (1, 1)


@pytest.mark.django_db(transaction=True)  # the zip goes once that is committed
def test_an_import_that_waits_is_cancelled_at_once_and_its_zip_goes(upload: UploadZip) -> None:
    row = upload(shapes_zip(1))

    assert row.request_cancel()

    row.refresh_from_db()
    assert (row.state, row.num_taken) == (PictureImport.State.CANCELLED, 0)
    assert not storage.local_path(row.archive).exists()
    assert not row.claim("reader@here")
    assert not row.request_cancel()


@pytest.mark.django_db(transaction=True)  # the zip goes once that is committed
def test_an_import_whose_reader_and_worker_are_gone_is_cancelled_with_what_it_took(
    recognizer: Recognizer, upload: UploadZip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PROGRESS_SECONDS", 0)
    row = upload(zipped({**good(), "square/no picture.png": b"nothing"}))
    row.claim("reader@there")
    with zip_members(storage.local_path(row.archive)) as members:
        row.advance(num_files=len(members))
        lines = imports._told(row, add_pictures(recognizer, members[::-1], None, row))
        [next(lines) for _ in range(5)]

    row.request_cancel()
    PictureImport.objects.update(heartbeat=timezone.now() - timedelta(minutes=2))
    reconcile()

    row.refresh_from_db()
    assert row.state == PictureImport.State.CANCELLED
    assert (row.num_read, row.num_taken, row.num_files) == (4, 4, 41)
    assert [line.name for line in lines_of(row).values()] == ["square/no picture.png"]
    assert not storage.local_path(row.archive).exists()


@pytest.mark.usefixtures("_real_processes")
def test_an_import_that_is_being_read_ends_within_seconds_of_its_cancelling(
    recognizer: Recognizer, upload: UploadZip
) -> None:
    many = {f"square/{number}.png": encoded(draw("square", number, side=600)) for number in range(60)}
    row = upload(zipped({f"{copy}/{name}": data for copy in range(40) for name, data in many.items()}))
    supervising = threading.Thread(target=carry_out_and_close, args=(row,))
    supervising.start()
    assert wait_until(recognizer.pictures.exists)

    assert PictureImport.objects.get(pk=row.pk).request_cancel()

    supervising.join(60)
    row.refresh_from_db()
    assert row.state == PictureImport.State.CANCELLED
    assert 0 < row.num_taken == recognizer.pictures.count()
    assert row.num_read < row.num_files == 2400


def test_an_import_goes_to_a_worker_of_its_own_and_to_the_clock_where_none_is_alive(
    upload: UploadZip, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str | None] = []
    monkeypatch.setattr(queue, "nudge", lambda task, pk, *, to=None, expires=None: sent.append(to))
    row = upload(shapes_zip(1))
    report("train@here", without_gpus(), timezone.now())

    row.nudge()
    report("imports@here", without_gpus(), timezone.now(), Does(trains=False, reads_imports=True))
    reconcile()
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=2))
    reconcile()

    assert sent == [None, queue.IMPORTS, None]
    assert "training.read_import" not in settings.CELERY_TASK_ROUTES  # so that without a queue it is the clock's


def test_a_zip_that_kills_its_reader_three_times_fails_with_a_sentence(upload: UploadZip) -> None:
    row = upload(shapes_zip(1))

    for _ in range(3):
        assert row.claim("reader@there")
        row.interrupt(death(-signal.SIGKILL, row.batch_size))

    row.refresh_from_db()
    assert row.state == PictureImport.State.FAILED
    assert row.error.startswith("Stopped 3 times in a row; last reason: Its process was killed from outside")
    assert not row.claim("reader@there")


def test_a_reader_that_was_given_up_for_dead_writes_no_more(upload: UploadZip) -> None:
    slow = upload(shapes_zip(1))
    slow.claim("reader@there")
    PictureImport.objects.get(pk=slow.pk).interrupt(TrainingError("It was silent."))
    PictureImport.objects.get(pk=slow.pk).claim("reader@here")

    with pytest.raises(LeaseLost):
        imports.read_archive(slow)

    slow.refresh_from_db()
    assert (slow.state, slow.report, slow.owner) == (PictureImport.State.READING, [], "reader@here")


def test_an_import_that_is_being_read_is_left_alone(recognizer: Recognizer, upload: UploadZip) -> None:
    row = upload(shapes_zip(3))
    row.claim("reader@there")

    read(row)

    assert row.state == PictureImport.State.READING
    assert recognizer.pictures.count() == 0


def test_reading_the_same_zip_again_takes_nothing_twice(recognizer: Recognizer, upload: UploadZip) -> None:
    read(upload(shapes_zip(3)))

    again = read(upload(shapes_zip(3)))

    assert (again.num_taken, again.num_refused) == (0, 6)
    assert recognizer.pictures.count() == 6


def test_nothing_of_an_import_stays_in_the_working_folder(upload: UploadZip) -> None:
    read(upload(shapes_zip(2)))

    assert list((Path(settings.DATA_DIR) / "incoming").iterdir()) == []


def test_an_error_nobody_foresaw_ends_the_import_in_plain_words(
    upload: UploadZip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "add_pictures", lambda *args: 1 / 0)

    done = read(upload(shapes_zip(2)))

    assert done.state == PictureImport.State.FAILED
    assert "ZeroDivisionError" in done.error


def test_an_import_whose_recognizer_has_been_deleted_is_not_read(upload: UploadZip) -> None:
    row = upload(shapes_zip(1))
    number = row.pk
    row.recognizer.remove()

    tasks.read_import(number)

    assert not PictureImport.objects.exists()


def test_near_duplicates_are_looked_for_as_soon_as_an_import_is_read(recognizer: Recognizer, upload: UploadZip) -> None:
    read(upload(shapes_zip(3)))

    assert recognizer.pictures.exists()
    assert not recognizer.pictures.filter(group="").exists()


def test_an_import_stands_where_that_breaks_off(
    recognizer: Recognizer, upload: UploadZip, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(imports, "group_pictures", Mock(side_effect=RuntimeError("no memory")))

    row = read(upload(shapes_zip(3)))

    assert (row.state, row.num_taken) == (PictureImport.State.DONE, recognizer.pictures.count())
    assert "still to be looked for" in caplog.text
