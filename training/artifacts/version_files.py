"""The files of a version: what a finished training leaves behind, and how they are found and checked in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from training.artifacts.files import check_files, read_checked
from training.artifacts.h5 import H5, Golden, PredictFn, read_golden
from training.artifacts.predictions_file import read_predictions
from training.artifacts.serving_model import ServingModel, open_serving_model
from training.evaluation.metrics import Evaluation
from training.evaluation.predictions import Predictions


class Layout(NamedTuple):
    """What the files in a version's folder are called."""

    h5: str
    serving_model: tuple[str, str]  # structure, weights
    predictions: str


LAYOUTS = {
    1: Layout("network.h5", ("twin.xml", "twin.bin"), "answers.npz"),
    2: Layout("network.h5", ("serving_model.xml", "serving_model.bin"), "predictions.npz"),
}
CURRENT_LAYOUT = max(LAYOUTS)
H5_NAME, SERVING_MODEL_NAMES, PREDICTIONS_NAME = LAYOUTS[CURRENT_LAYOUT]


@dataclass(frozen=True)
class Artifact:
    """All that a finished training leaves behind."""

    h5: H5
    serving_model: ServingModel
    evaluation: Evaluation | None  # none where there were no pictures to measure it on, like predictions
    temperature: float
    predictions: Predictions | None
    num_weights: int


@dataclass(frozen=True)
class VersionFiles:
    """A version's files in the store, as its row names them; each is compared with the row's hash before use."""

    folder: str
    layout: Layout
    h5_sha256: str
    serving_model_sha256: str
    predictions_sha256: str  # empty in versions without them
    locate: Callable[[str], Path]  # a path to read a stored file from, by its name in the store

    @property
    def h5(self) -> Path:
        return self._path(self.layout.h5)

    @property
    def serving_model(self) -> list[Path]:
        """Structure and weights."""
        return [self._path(name) for name in self.layout.serving_model]

    def check_h5(self) -> None:
        """Raises: BrokenArtifact if the H5 is missing or not the one that was trained."""
        check_files([self.h5], self.h5_sha256)

    def check_serving_model(self) -> None:
        """Raises: BrokenArtifact if the serving model is missing or not the one that was checked."""
        check_files(self.serving_model, self.serving_model_sha256)

    def open_serving_model(self, *, streams: int = 1) -> PredictFn:
        """From the very bytes that were compared with the row's hash. Raises: BrokenArtifact."""
        structure, weights = read_checked(self.serving_model, self.serving_model_sha256)
        return open_serving_model(structure, weights, streams=streams, name=self._serving_model_name)

    def predictions(self) -> Predictions:
        """What it answered to pictures it did not learn from. Raises: BrokenArtifact, also in versions without them."""
        (content,) = read_checked([self._path(self.layout.predictions)], self.predictions_sha256)
        return read_predictions(content)

    def golden(self) -> Golden:
        """The H5's own test, once the H5 is found whole. Raises: BrokenArtifact."""
        self.check_h5()
        return read_golden(self.h5)

    def verify(self) -> None:
        """Raises: BrokenArtifact if a file is missing or changed, or the serving model fails the H5's own test."""
        self.golden().check(self.open_serving_model(), self._serving_model_name)

    def in_store(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Names in the store of files that share a hash, and that hash; only of those that the version has."""
        yield (self._name(self.layout.h5),), self.h5_sha256
        yield tuple(map(self._name, self.layout.serving_model)), self.serving_model_sha256
        if self.predictions_sha256:
            yield (self._name(self.layout.predictions),), self.predictions_sha256

    @property
    def _serving_model_name(self) -> str:
        return " + ".join(self.layout.serving_model)

    def _name(self, file: str) -> str:
        return f"{self.folder}/{file}"

    def _path(self, file: str) -> Path:
        return self.locate(self._name(file))
