"""What the site's tests share beside the fixtures of all tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.types import AddPictures
from training.models import Recognizer


@pytest.fixture
def trainable(recognizer: Recognizer, add_pictures: AddPictures) -> Any:
    """A recognizer with enough pictures of two classes."""
    add_pictures(recognizer, label="circle", count=5)
    add_pictures(recognizer, label="square", count=5)
    return recognizer
