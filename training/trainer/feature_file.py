"""What a frozen backbone made of pictures, handed on from the choice of a network to its training."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig


@dataclass(frozen=True)
class FeatureFile:
    """One network's features at one image size, by the pictures' checksums."""

    path: Path

    @classmethod
    def of(cls, config: TrainingConfig, folder: Path) -> Self:
        """Args:
        folder: the run's own.
        """
        return cls(folder / f"features-{config.network}-{config.image_size}.npz")

    def read(self) -> dict[str, NDArray[np.float32]]:
        """Nothing where there is no whole file: they are computed then."""
        try:
            with self.path.open("rb") as file, np.load(file) as found:
                return dict(zip(found["pictures"].tolist(), found["features"], strict=True))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return {}

    def write(self, pictures: Sequence[str], features: NDArray[np.float32]) -> None:
        """Raises: OSError where the disk is full."""
        with tempfile.NamedTemporaryFile(dir=self.path.parent, suffix=".npz", delete=False) as file:
            np.savez(file, pictures=np.array(pictures), features=features)
        Path(file.name).replace(self.path)
