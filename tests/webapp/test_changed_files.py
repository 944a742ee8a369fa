"""A few of what `make fuzz` sends by the thousand: changed at random, from a seed."""

from __future__ import annotations

import random

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.fuzz.cases import API, PAGE, ZIP, changed_zip, make_case
from training.library.imports import read_archive
from training.models import ModelVersion, PictureImport, Recognizer

ADDRESSES = {API: "/api/v1/recognizers/shapes/classify", PAGE: "/r/shapes/"}
PICTURES = [case for case in (make_case(7, number) for number in range(60)) if case.entrance != ZIP]


def test_a_changed_picture_is_answered_or_refused(client: Client, version: ModelVersion) -> None:
    statuses = {
        case.number: client.post(ADDRESSES[case.entrance], {"file": SimpleUploadedFile("a.jpg", case.data)}).status_code
        for case in PICTURES
    }

    assert {number: status for number, status in statuses.items() if status not in (200, 400)} == {}
    assert set(statuses.values()) == {200, 400}


@pytest.mark.parametrize("number", range(4))
def test_a_changed_zip_is_read_to_its_end_or_refused(staff_client: Client, recognizer: Recognizer, number: int) -> None:
    archive = SimpleUploadedFile("some.zip", changed_zip(random.Random(number)))

    answer = staff_client.post("/manage/shapes/pictures/upload/", {"archive": archive})
    for row in recognizer.imports.all():
        row.claim("test")
        read_archive(row)

    assert answer.status_code in (302, 400)
    assert {row.state for row in recognizer.imports.all()} <= {PictureImport.State.DONE, PictureImport.State.FAILED}
    assert recognizer.pictures.count() == len(list((settings.MEDIA_ROOT / "pictures").rglob("*.webp")))
