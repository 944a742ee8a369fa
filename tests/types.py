"""What the fixtures give that make things."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from training.models import ModelVersion, Picture, Recognizer

AddPictures: TypeAlias = Callable[..., list[Picture]]
MakeVersion: TypeAlias = Callable[[Recognizer], ModelVersion]
MakeZip: TypeAlias = Callable[[dict[str, bytes]], bytes]
PictureBytes: TypeAlias = Callable[..., bytes]
