"""What is made while installing: `python -m training.runs.prebuilt`, which `make install` calls.

The H5 and the serving model of everyday things are the same in every installation, and take half a minute; so are the
networks that a choice tries, converted. They lie in folders of the virtual environment whose names change with all they
are made of. Neither Django nor a database is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from training.artifacts.files import check_files, sync
from training.artifacts.h5 import H5
from training.artifacts.serving_model import ServingModel
from training.artifacts.version_files import H5_NAME, SERVING_MODEL_NAMES, Artifact
from training.config import TrainingConfig
from training.config.pretrained_weights import PACKAGED
from training.devices import Device
from training.environment import MADE_WHILE_INSTALLING, environment_of
from training.library.everyday_classes import SETTINGS, SLUG, TABLE, imagenet_classes

SHARE = MADE_WHILE_INSTALLING
FORMAT = 1  # rises when the code makes something else of the same table and the same packages
PACKAGES = ("keras", "tensorflow", "openvino", "h5py", "numpy")
FACTS = "made.json"  # the last that is written


@dataclass(frozen=True)
class Prebuilt:
    """The files of a version of everyday things, and what its row says of them."""

    folder: Path
    h5_sha256: str
    serving_model_sha256: str
    serving_model_difference: float
    pictures_compared: int
    num_weights: int
    environment: dict[str, Any]

    @classmethod
    def found(cls) -> Self | None:
        """What the installation has made; None where it has not, or where it is not whole any more."""
        folder = folder_of()
        try:
            made = cls(folder, **json.loads((folder / FACTS).read_text(encoding="utf-8")))
            check_files([folder / H5_NAME], made.h5_sha256)
            check_files([folder / name for name in SERVING_MODEL_NAMES], made.serving_model_sha256)
        except Exception:  # another release's, half deleted, not readable: it is made anew then
            return None
        return made

    @classmethod
    def of(cls, folder: Path, artifact: Artifact, device: Device) -> Self:
        return cls(
            folder,
            artifact.h5.sha256,
            artifact.serving_model.sha256,
            artifact.serving_model.max_difference,
            artifact.serving_model.pictures_compared,
            artifact.num_weights,
            environment_of(device),
        )

    @property
    def num_bytes(self) -> int:
        return sum((self.folder / name).stat().st_size for name in (H5_NAME, *SERVING_MODEL_NAMES))

    def copied_to(self, folder: Path) -> Artifact:
        """Copies of its files, to be moved into the store. Raises: OSError."""
        for name in (H5_NAME, *SERVING_MODEL_NAMES):
            shutil.copyfile(self.folder / name, folder / name)
            sync(folder / name)
        structure, weights = (folder / name for name in SERVING_MODEL_NAMES)
        serving_model = ServingModel(
            (structure, weights), self.serving_model_sha256, self.serving_model_difference, self.pictures_compared
        )
        return Artifact(H5(folder / H5_NAME, self.h5_sha256), serving_model, None, 1.0, None, self.num_weights)

    def write_facts(self) -> None:
        facts = {name: value for name, value in asdict(self).items() if name != "folder"}
        (self.folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def folder_of() -> Path:
    """Where what this code makes of this table with these packages lies."""
    parts = [str(FORMAT), PACKAGED[SETTINGS["network"]].sha256, *(f"{name} {version(name)}" for name in PACKAGES)]
    digest = hashlib.sha256("\n".join(parts).encode() + TABLE.read_bytes())
    return SHARE / f"{SLUG}-{digest.hexdigest()[:16]}"


class Silent:
    """Nobody watches; the device is noted."""

    noted: Device

    def device(self, device: Device) -> None:
        self.noted = device

    def stage(self, stage: str) -> None:
        """Says nothing."""


def make() -> None:
    """Make the files, unless they are there, and remove those of before. It is done in a folder of its own, renamed.

    Raises: WeightsNotFound; ServingModelDiffers; OSError.
    """
    if Prebuilt.found():
        return
    from training.trainer.imagenet_version import make_imagenet_version  # TensorFlow takes seconds

    SHARE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SHARE, prefix=".making-") as temporary:
        folder, report = Path(temporary) / "made", Silent()
        folder.mkdir()
        artifact = make_imagenet_version(
            imagenet_classes(), TrainingConfig.for_network(**_settings()), report, folder=folder, recognizer=SLUG
        )
        Prebuilt.of(folder, artifact, report.noted).write_facts()
        for outdated in SHARE.glob(f"{SLUG}-*"):
            shutil.rmtree(outdated, ignore_errors=True)
        folder.replace(folder_of())


def _settings() -> dict[str, Any]:
    settings = dict(SETTINGS)
    return {"network": settings.pop("network"), "settings": settings}


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from training.trainer.imagenet_bodies import make_all  # TensorFlow takes seconds

    make_all()
    make()
