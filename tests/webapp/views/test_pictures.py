"""Pictures come in, are looked through and go."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from tests.types import AddPictures, MakeZip, PictureBytes
from training import storage
from training.library import imports
from training.models import PictureImport, Recognizer
from webapp.forms import pictures as forms

pytestmark = pytest.mark.django_db
UPLOAD = "/manage/shapes/pictures/upload/"


def zip_file(data: bytes, name: str = "shapes.zip") -> dict[str, SimpleUploadedFile]:
    return {"archive": SimpleUploadedFile(name, data)}


@pytest.fixture
def two_pictures(picture_bytes: PictureBytes, make_zip: MakeZip) -> Any:
    return make_zip({"circle/1.png": picture_bytes(number=1), "square/2.png": picture_bytes("square", 2)})


def test_a_zip_is_kept_for_a_worker(
    staff_client: Client, staff: User, recognizer: Recognizer, two_pictures: Any
) -> None:
    answer = staff_client.post(UPLOAD, zip_file(two_pictures))

    row = recognizer.imports.get()
    assert answer.headers["Location"] == f"/manage/imports/{row.pk}/"
    assert (row.name, row.state, row.num_files, row.started_by) == ("shapes.zip", "queued", 2, staff)
    assert storage.local_path(row.archive).read_bytes() == two_pictures


def test_a_zip_on_the_disk_already_is_moved_into_the_store(
    staff_client: Client, recognizer: Recognizer, two_pictures: Any, settings: Any
) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0

    staff_client.post(UPLOAD, zip_file(two_pictures))

    assert storage.local_path(recognizer.imports.get().archive).read_bytes() == two_pictures


def test_a_script_gets_the_address_of_the_report(
    staff_client: Client, recognizer: Recognizer, two_pictures: Any
) -> None:
    answer = staff_client.post(UPLOAD, zip_file(two_pictures), headers={"Accept": "application/json"})

    assert answer.json() == {"url": f"/manage/imports/{recognizer.imports.get().pk}/"}


def test_what_is_no_zip_is_refused_in_plain_words(staff_client: Client, recognizer: Recognizer) -> None:
    answer = staff_client.post(UPLOAD, zip_file(b"no zip"), headers={"Accept": "application/json"})

    assert answer.status_code == 400
    assert "not a zip we can read" in answer.json()["errors"][0]


@pytest.mark.parametrize("files", [{}, zip_file(b"no zip")])
def test_a_refused_upload_offers_the_form_again(staff_client: Client, recognizer: Recognizer, files: Any) -> None:
    answer = staff_client.post(UPLOAD, files)

    assert answer.status_code == 400
    assert "data-upload" in answer.content.decode()
    assert not recognizer.imports.exists()


def test_an_empty_zip_is_refused(staff_client: Client, recognizer: Recognizer, make_zip: MakeZip) -> None:
    assert staff_client.post(UPLOAD, zip_file(make_zip({}))).status_code == 400


def test_a_zip_above_the_limit_is_refused(
    staff_client: Client, recognizer: Recognizer, two_pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "MAX_ARCHIVE_BYTES", 100)

    assert staff_client.post(UPLOAD, zip_file(two_pictures)).status_code == 400


def test_a_request_far_above_the_limit_is_refused_unread(staff_client: Client, recognizer: Recognizer) -> None:
    answer = staff_client.post(UPLOAD, headers={"Content-Length": str(3 * 10**9), "Accept": "application/json"})

    assert "larger than 2 GB" in answer.json()["errors"][0]


def test_files_for_a_label_are_read_at_once(
    staff_client: Client, recognizer: Recognizer, picture_bytes: PictureBytes
) -> None:
    good = SimpleUploadedFile("good.png", picture_bytes())
    bad = SimpleUploadedFile("bad.png", b"nothing")

    answer = staff_client.post(UPLOAD, {"label": "triangle", "files": [good, bad]}, follow=True)

    row = recognizer.imports.get()
    assert (row.state, row.num_taken, row.num_refused) == ("done", 1, 1)
    assert recognizer.pictures.get().label.key == "triangle"
    assert "not a picture we can read" in answer.content.decode()


@pytest.mark.parametrize("label", ["", "a/b", "x" * 101])
def test_files_for_an_impossible_label_are_refused(
    staff_client: Client, recognizer: Recognizer, picture_bytes: PictureBytes, label: Any
) -> None:
    files = [SimpleUploadedFile("good.png", picture_bytes())]

    assert staff_client.post(UPLOAD, {"label": label, "files": files}).status_code == 400
    assert not recognizer.pictures.exists()


def test_files_go_onto_the_label_that_looks_like_the_one_typed(
    staff_client: Client, recognizer: Recognizer, picture_bytes: PictureBytes
) -> None:
    file = SimpleUploadedFile("1.png", picture_bytes())

    page = staff_client.post(UPLOAD, {"label": " circle\u200b", "files": [file]}, follow=True).content.decode()

    assert recognizer.pictures.get().label.key == "circle"
    assert r"The folder “ circle\u200b” was taken as “circle”." in page


def test_too_many_files_at_once_are_refused(
    staff_client: Client, recognizer: Recognizer, picture_bytes: PictureBytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "MAX_FILES", 1)
    files = [SimpleUploadedFile(f"{number}.png", picture_bytes(number=number)) for number in range(2)]

    answer = staff_client.post(UPLOAD, {"label": "circle", "files": files})

    assert "at most 1 can be sent" in answer.content.decode()


def test_an_upload_without_the_token_is_refused(staff: User, recognizer: Recognizer, two_pictures: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff, "django.contrib.auth.backends.ModelBackend")

    assert client.post(UPLOAD, zip_file(two_pictures)).status_code == 403
    assert not recognizer.imports.exists()


def test_a_visitor_cannot_upload(client: Client, recognizer: Recognizer, two_pictures: Any) -> None:
    assert client.post(UPLOAD, zip_file(two_pictures)).headers["Location"].startswith("/login/")
    assert not recognizer.imports.exists()


@pytest.mark.parametrize("address", ["/manage/shapes/pictures/", "/manage/pictures/1/file/", "/manage/imports/1/"])
def test_pictures_are_for_staff(client: Client, django_user_model: Any, recognizer: Recognizer, address: str) -> None:
    assert client.get(address).status_code == 302
    client.force_login(django_user_model.objects.create_user("guest"), "django.contrib.auth.backends.ModelBackend")
    assert client.get(address).status_code == 403


def test_an_import_shows_how_far_it_is(staff_client: Client, recognizer: Recognizer) -> None:
    row = recognizer.imports.create(
        name="a.zip", state=PictureImport.State.READING, heartbeat=timezone.now(), num_files=9, num_read=4
    )

    page = staff_client.get(f"/manage/imports/{row.pk}/").content.decode()
    part = staff_client.get(f"/manage/imports/{row.pk}/", headers={"HX-Request": "true"}).content.decode()

    assert "4 of 9 files read" in page
    assert "4 of 9 files read" in part
    assert "<html" not in part


def test_an_import_can_be_cancelled_on_its_page(staff_client: Client, recognizer: Recognizer) -> None:
    row = recognizer.imports.create(name="a.zip", num_files=10)
    row.claim("reader@here")
    row.advance(num_read=4)
    page = staff_client.get(f"/manage/imports/{row.pk}/").content.decode()

    staff_client.post(f"/manage/imports/{row.pk}/cancel/")

    waits = staff_client.get(f"/manage/imports/{row.pk}/").content.decode()
    row.end_cancelled()
    ended = staff_client.get(f"/manage/imports/{row.pk}/").content.decode()
    assert f"/manage/imports/{row.pk}/cancel/" in page
    assert "Being cancelled" in waits
    assert "Cancelled after 4 of 10 files." in ended
    assert "/cancel/" not in ended


def test_a_cancelled_import_says_how_many_pictures_stay(
    staff_client: Client, recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    row = recognizer.imports.create(name="a.zip", num_files=10)
    add_pictures(recognizer, count=3)
    row.claim("reader@here")
    recognizer.pictures.update(came_with=row)

    row.end_cancelled()

    page = staff_client.get(f"/manage/imports/{row.pk}/").content.decode()
    assert "3 pictures were taken until then and stay." in page
    assert recognizer.pictures.count() == 3


def test_an_import_that_has_ended_is_not_cancelled(staff_client: Client, recognizer: Recognizer) -> None:
    row = recognizer.imports.create(name="a.zip", state=PictureImport.State.DONE, ended_at=timezone.now())

    page = staff_client.post(f"/manage/imports/{row.pk}/cancel/", follow=True).content.decode()

    assert "The import had ended already." in page
    row.refresh_from_db()
    assert row.state == PictureImport.State.DONE


def test_visitors_cancel_no_import(client: Client, recognizer: Recognizer) -> None:
    row = recognizer.imports.create(name="a.zip")

    client.post(f"/manage/imports/{row.pk}/cancel/")

    row.refresh_from_db()
    assert row.state == PictureImport.State.QUEUED


def test_a_page_that_waited_for_an_import_loads_anew_at_its_end(staff_client: Client, recognizer: Recognizer) -> None:
    row = recognizer.imports.create(name="a.zip", state=PictureImport.State.DONE, ended_at=timezone.now())

    answer = staff_client.get(f"/manage/imports/{row.pk}/", headers={"HX-Request": "true"})

    assert answer["HX-Refresh"] == "true"


def test_a_report_names_refused_files_first_and_why(
    staff_client: Client,
    recognizer: Recognizer,
    two_pictures: Any,
    make_zip: MakeZip,
    picture_bytes: PictureBytes,
) -> None:
    archive = make_zip({"circle/1.png": picture_bytes(number=1), "circle/notes.txt": b"hello"})
    staff_client.post(UPLOAD, zip_file(archive))
    row = recognizer.imports.get()
    row.claim("reader@here")
    imports.read_archive(row)

    page = staff_client.get(f"/manage/imports/{row.pk}/").content.decode()

    assert "1 picture was taken" in page
    assert "1 file was refused" in page
    assert page.index("circle/notes.txt") < page.index("circle/1.png")


def test_a_failed_import_says_what_to_do(staff_client: Client, recognizer: Recognizer) -> None:
    sentence = {"template": "The uploaded zip is not here any more. Upload it again."}
    row = recognizer.imports.create(
        name="a.zip", state=PictureImport.State.FAILED, ended_at=timezone.now(), error_sentence=sentence
    )

    assert "Upload it again." in staff_client.get(f"/manage/imports/{row.pk}/").content.decode()


def test_pictures_are_browsed_by_label(staff_client: Client, recognizer: Recognizer, add_pictures: AddPictures) -> None:
    circle, square = add_pictures(recognizer, label="circle") + add_pictures(recognizer, label="square")

    page = staff_client.get("/manage/shapes/pictures/?label=circle").content.decode()

    assert f"/manage/pictures/{circle.pk}/file/" in page
    assert f"/manage/pictures/{square.pk}/file/" not in page


def test_browsing_asks_few_questions(
    staff_client: Client,
    recognizer: Recognizer,
    add_pictures: AddPictures,
    django_assert_max_num_queries: Any,
) -> None:
    add_pictures(recognizer, count=12)

    with django_assert_max_num_queries(8):
        staff_client.get("/manage/shapes/pictures/?page=99")


def test_a_picture_is_sent_as_what_it_is(
    staff_client: Client, recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    (picture,) = add_pictures(recognizer)

    answer = staff_client.get(f"/manage/pictures/{picture.pk}/file/")

    assert answer["Content-Type"] == "image/webp"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "private" in answer["Cache-Control"]
    assert answer.getvalue() == picture.path.read_bytes()


def test_a_picture_whose_file_is_gone_is_not_found(
    staff_client: Client, recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    (picture,) = add_pictures(recognizer)
    storage.forget(picture.file)

    assert staff_client.get(f"/manage/pictures/{picture.pk}/file/").status_code == 404


def test_a_deleted_picture_takes_its_file_along(
    staff_client: Client, recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    (picture,) = add_pictures(recognizer)

    answer = staff_client.post(f"/manage/pictures/{picture.pk}/delete/")

    assert answer.headers["Location"] == "/manage/shapes/pictures/"
    assert not recognizer.pictures.exists()
    assert not picture.path.exists()


def test_a_picture_is_not_deleted_by_a_link(
    staff_client: Client, recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    (picture,) = add_pictures(recognizer)

    assert staff_client.get(f"/manage/pictures/{picture.pk}/delete/").status_code == 405


def test_an_import_that_is_not_enough_to_train_with_leads_to_more_pictures(
    staff_client: Client, recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    add_pictures(recognizer, label="circle", count=3)
    row = recognizer.imports.create(name="a.zip", state=PictureImport.State.DONE, ended_at=timezone.now(), num_taken=3)

    assert "/manage/shapes/train/" not in staff_client.get(f"/manage/imports/{row.pk}/").content.decode()
    add_pictures(recognizer, label="square", count=3)
    assert "/manage/shapes/train/" in staff_client.get(f"/manage/imports/{row.pk}/").content.decode()
