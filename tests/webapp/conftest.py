"""What the site's tests share beside the fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.types import AddPictures
from training.models import Recognizer
from webapp import floods
from webapp.counters import breaker
from webapp.operations.embedded_redis import socket_path, socket_url


@pytest.fixture
def trainable(recognizer: Recognizer, add_pictures: AddPictures) -> Any:
    """A recognizer with enough pictures of two classes."""
    add_pictures(recognizer, label="circle", count=5)
    add_pictures(recognizer, label="square", count=5)
    return recognizer


@pytest.fixture(scope="session")
def redis_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The DATA_DIR of a Redis that runs for all tests."""
    from tests.webapp.operations.test_embedded_redis import running

    folder = tmp_path_factory.mktemp("redis")
    with running(folder):
        yield folder


@pytest.fixture
def _counting(redis_folder: Path, settings: Any) -> None:
    """Nothing has been counted yet, and Redis answers."""
    settings.REDIS_URL = socket_url(redis_folder)
    with redis.Redis(unix_socket_path=str(socket_path(redis_folder))) as client:
        client.flushall()
    breaker.forget()
    floods.forget()
