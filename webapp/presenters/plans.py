"""What a training run would see, counted before it is started."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

from training.config import TrainingConfig
from training.library.manifests import planned_manifest
from training.models import Recognizer

SMALL_CLASS = 20  # pictures; the test figures of a smaller class rest on fewer than four of them


class SmallClass(NamedTuple):
    """A class with few pictures, by its name."""

    name: str
    num_pictures: int


@dataclass(frozen=True)
class Plan:
    """How many pictures go where, and which classes have few."""

    num_classes: int
    num_train: int
    num_validation: int
    num_test: int
    small_classes: list[SmallClass]

    @property
    def num_pictures(self) -> int:
        return self.num_train + self.num_validation + self.num_test

    def steps_per_epoch(self, config: TrainingConfig) -> int:
        return math.ceil(self.num_train / config.batch_size)

    @classmethod
    def of(cls, recognizer: Recognizer) -> Self:
        """Split as the run will, but by the rows alone: no file is fetched for it. Raises: TooFewPictures."""
        manifest = planned_manifest(recognizer)
        names = recognizer.label_names()
        sizes = dict.fromkeys(manifest.class_names, 0)
        for entry in manifest.entries:
            sizes[manifest.class_names[entry.label]] += 1
        return cls(
            num_classes=len(sizes),
            num_train=manifest.count("train"),
            num_validation=manifest.count("validation"),
            num_test=manifest.count("test"),
            small_classes=[SmallClass(names[key], size) for key, size in sizes.items() if size < SMALL_CLASS],
        )
