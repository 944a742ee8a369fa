"""A decoder that dies, hangs or wants too much costs the one request whose picture it had: at the page and the API."""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

import pytest
from django.test import Client
from PIL import Image

from tests.drawings import encoded
from tests.processes import is_alive, killed_once_it_decodes
from tests.types import PictureBytes
from tests.webapp.uploads import upload
from training.data import decoders
from training.data.decoders import Decoder
from training.limits import MAX_DECODED_BYTES, MB
from training.models import ModelVersion

ADDRESSES = ["/api/v1/recognizers/shapes/classify", "/r/shapes/"]

pytestmark = pytest.mark.parametrize("address", ADDRESSES)


@pytest.fixture
def send(client: Client, version: ModelVersion, address: str) -> Any:
    def post(data: bytes) -> Any:
        return client.post(address, {"file": upload(data)})

    return post


def test_killed(send: Any, decoder: Decoder, picture_bytes: PictureBytes, caplog: pytest.LogCaptureFixture) -> None:
    killed_once_it_decodes(decoder)

    refused, answered = send(picture_bytes()), send(picture_bytes())

    assert (refused.status_code, answered.status_code) == (400, 200)
    assert "could not be read: the process that decoded it ended with SIGKILL" in refused.text
    assert len([record for record in caplog.records if record.name == "training.data.decoders"]) == 1


def test_hanging(send: Any, decoder: Decoder, picture_bytes: PictureBytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "DECODING_SECONDS", 1)
    os.kill(decoder.process.pid, signal.SIGSTOP)

    refused = send(picture_bytes())

    assert refused.status_code == 400
    assert "took longer than 1 seconds" in refused.text
    assert not is_alive(decoder.process.pid)
    monkeypatch.undo()
    assert send(picture_bytes()).status_code == 200


def test_wanting_too_much_memory(send: Any, decoder: Decoder, picture_bytes: PictureBytes) -> None:
    send(picture_bytes())
    limited, _ = resource.prlimit(decoder.process.pid, resource.RLIMIT_DATA)
    resource.prlimit(decoder.process.pid, resource.RLIMIT_DATA, (50 * MB, limited))

    refused = send(encoded(Image.new("RGB", (6000, 5000), 99)))
    resource.prlimit(decoder.process.pid, resource.RLIMIT_DATA, (limited, limited))

    assert limited < MAX_DECODED_BYTES + 500 * MB
    assert refused.status_code == 400
    assert "too much memory" in refused.text
    assert send(picture_bytes()).status_code == 200


def test_taken(send: Any, decoder: Decoder, picture_bytes: PictureBytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "PATIENCE_SECONDS", 0.05)

    with decoders.lanes[0].taken(None):
        refused = send(picture_bytes())

    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    assert "Many pictures" in refused.text
