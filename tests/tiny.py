"""Trains the tiny network that the whole test run shares: `python -m tests.tiny FOLDER`, in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.drawings import kept_drawings
from training.artifacts.predictions_file import predictions_to_bytes
from training.artifacts.version_files import PREDICTIONS_NAME
from training.config import TrainingConfig
from training.data.manifest import make_manifest

CONFIG = TrainingConfig.for_network(
    "cnn",
    {
        "image_size": 24,
        "epochs": 16,
        "batch_size": 4,  # many steps: batch normalisation's moving averages need them
        "learning_rate": 5e-3,
        "filters": (8, 16, 32),
        "augmentation": (),
    },
)
PICTURES_PER_CLASS = 60


class Silent:
    """A report that nobody reads."""

    def device(self, device: object) -> None: ...
    def stage(self, stage: str) -> None: ...
    def epoch(self, result: object) -> None: ...
    def answered(self, epoch: int, pictures: object) -> None: ...
    def resumed(self, epoch: int) -> None: ...

    def checkpoint(self, path: Path, epoch: int, step: int) -> None:
        path.unlink()


def main(folder: Path) -> None:
    from training.trainer.train import train

    manifest = make_manifest(folder, kept_drawings(folder, PICTURES_PER_CLASS))
    artifact = train(manifest, CONFIG, Silent(), folder=folder, cache_folder=folder / "cache", recognizer="shapes")
    result, predictions = artifact.evaluation, artifact.predictions
    assert result
    assert predictions
    facts = {
        "h5_sha256": artifact.h5.sha256,
        "serving_model_sha256": artifact.serving_model.sha256,
        "serving_model_difference": artifact.serving_model.max_difference,
        "class_names": manifest.class_names,
        "num_weights": artifact.num_weights,
        "evaluation": result.to_dict(),
        "temperature": artifact.temperature,
        "manifest_sha256": manifest.sha256,
    }
    (folder / PREDICTIONS_NAME).write_bytes(predictions_to_bytes(predictions))
    (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
