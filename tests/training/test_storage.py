from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.conf import settings as django_settings
from moto.server import ThreadedMotoServer

from tests.types import AddPictures
from training import storage
from training.models import Recognizer
from webapp.environment import s3_options


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def _in_s3(s3_address: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store as STORAGE_URL would set it up, in an empty bucket of a real S3 server."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    bucket = boto3.resource("s3", endpoint_url=s3_address, region_name="us-east-1").Bucket("pictures")
    if bucket.creation_date:
        bucket.objects.delete()
    else:
        bucket.create()
    settings.STORAGE_URL = f"s3://pictures/discern?endpoint={s3_address}&region=us-east-1"
    options = s3_options(settings.STORAGE_URL)
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options},
    }


@pytest.fixture(params=["local", "s3"])
def _either_store(request: pytest.FixtureRequest) -> None:
    if request.param == "s3":
        request.getfixturevalue("_in_s3")


@pytest.mark.usefixtures("_either_store")
def test_what_is_kept_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"weights")

    storage.keep(tmp_path / "new", "versions/1/network.h5")

    assert storage.local_path("versions/1/network.h5").read_bytes() == b"weights"
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("_either_store")
def test_bytes_are_kept_without_a_trace_in_the_working_folder() -> None:
    storage.keep_bytes(b"pixels", "pictures/1/aa/aa.webp")

    assert storage.local_path("pictures/1/aa/aa.webp").read_bytes() == b"pixels"
    assert list(storage.working_folder("incoming").iterdir()) == []


@pytest.mark.usefixtures("_either_store")
def test_keeping_the_same_name_again_leaves_one_file() -> None:
    for data in (b"first", b"second"):
        storage.keep_bytes(data, "pictures/1/aa/aa.webp")

    assert storage.local_path("pictures/1/aa/aa.webp").read_bytes() == b"second"


@pytest.mark.usefixtures("_either_store")
def test_what_is_not_there_has_a_path_that_does_not_exist() -> None:
    assert not storage.local_path("versions/1/network.h5").exists()


@pytest.mark.usefixtures("_either_store")
def test_what_is_forgotten_is_gone_also_from_the_cache() -> None:
    storage.keep_bytes(b"zip", "imports/1.zip")
    storage.local_path("imports/1.zip")

    storage.forget("imports/1.zip")

    assert not storage.local_path("imports/1.zip").exists()


@pytest.mark.usefixtures("_either_store")
def test_forgetting_what_is_not_there_is_no_error() -> None:
    storage.forget("imports/1.zip")

    assert not storage.local_path("imports/1.zip").exists()


@pytest.mark.usefixtures("_in_s3")
def test_a_file_is_fetched_from_s3_once(monkeypatch: pytest.MonkeyPatch) -> None:
    storage.keep_bytes(b"weights", "versions/1/network.h5")
    first = storage.local_path("versions/1/network.h5")
    monkeypatch.setattr(storage, "default_storage", None)

    again = storage.local_path("versions/1/network.h5")

    assert again == first
    assert again.is_relative_to(django_settings.DATA_DIR)


@pytest.mark.usefixtures("_in_s3")
def test_files_lie_below_the_folder_that_the_address_names(s3_address: str) -> None:
    storage.keep_bytes(b"zip", "imports/1.zip")

    bucket = boto3.resource("s3", endpoint_url=s3_address, region_name="us-east-1").Bucket("pictures")
    assert [each.key for each in bucket.objects.all()] == ["discern/imports/1.zip"]


@pytest.mark.usefixtures("_in_s3")
def test_pictures_of_a_training_are_fetched_from_s3(recognizer: Recognizer, add_pictures: AddPictures) -> None:
    (picture,) = add_pictures(recognizer)

    assert picture.path.is_relative_to(storage.local_path("pictures"))
    assert picture.path.is_file()
