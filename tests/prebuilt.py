"""Stands in for what `make install` makes: the tiny network's files in a folder of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from training.artifacts.version_files import H5_NAME, SERVING_MODEL_NAMES
from training.runs.prebuilt import FACTS, folder_of


def make_prebuilt(tiny_files: Path) -> Path:
    """Put them where this code looks for them; the test has set SHARE to a folder of its own."""
    folder = folder_of()
    folder.mkdir(parents=True)
    for name in (H5_NAME, *SERVING_MODEL_NAMES):
        shutil.copy(tiny_files / name, folder)
    facts = json.loads((tiny_files / "facts.json").read_text())
    kept = ("h5_sha256", "serving_model_sha256", "serving_model_difference", "num_weights")
    made = {name: facts[name] for name in kept} | {"pictures_compared": 6, "environment": {"device": "CPU"}}
    (folder / FACTS).write_text(json.dumps(made))
    return folder
