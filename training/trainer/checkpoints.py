"""The state of an unfinished training as one file: whole on the disk under its name, or not there at all.

A checkpoint is a numpy .npz, whose zip keeps a checksum of every array, so damage is noticed when it is read.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.artifacts.files import written_whole
from training.errors import BrokenArtifact
from training.messages import N_

Arrays = list[NDArray[Any]]

FORMAT = 2  # raised when a checkpoint's content changes its meaning


@dataclass(frozen=True)
class Best:
    """The epoch with the lowest validation loss so far, and the weights of the whole network at its end."""

    weights: Arrays
    loss: float = math.inf
    epoch: int = 0  # from 1; 0 before the first is done


@dataclass(frozen=True)
class TrainingState:
    """All that a training needs to go on as if it had never stopped; arrays in the order of Keras's variables."""

    epoch: int  # whole epochs done
    step: int  # batches done of the next epoch
    manifest_sha256: str
    weights: Arrays  # of the whole network
    optimizer: Arrays  # its variables: steps done, moments
    seeds: Arrays  # of every random layer: (2,) seed and how often it was drawn from
    best: Best
    metrics: Arrays = field(default_factory=list)  # sums and counts over the batches done of the next epoch
    auxiliary: Arrays = field(default_factory=list)  # weights that learn beside the network's own and are left behind
    held_out: Arrays = field(default_factory=list)  # answers to the validation pictures before these were learned from


def write_checkpoint(path: Path, state: TrainingState) -> None:
    """Write one checkpoint, whole or not at all.

    Raises: OSError with the file's name, also where the disk is full; then nothing is left behind.
    """
    with written_whole(path) as file:  # given a path, numpy would say of a full disk only that bytes are missing
        np.savez(file, **_to_arrays(state))


def read_checkpoint(path: Path) -> TrainingState:
    """Raises: BrokenArtifact if the file is missing, damaged or none of ours."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return _from_arrays(arrays)
    except Exception as error:  # whatever a damaged zip, array header or description makes its reader stumble over
        raise BrokenArtifact(
            N_("%(file)s is not a checkpoint that this site wrote (%(reason)s)."),
            file=path.name,
            reason=f"{type(error).__name__}: {error}"[:200],
        ) from error


def _to_arrays(state: TrainingState) -> dict[str, Any]:
    parts = {
        "weights": state.weights,
        "optimizer": state.optimizer,
        "seeds": state.seeds,
        "best": state.best.weights,
        "metrics": state.metrics,
        "auxiliary": state.auxiliary,
        "held_out": state.held_out,
    }
    description = {
        "format": FORMAT,
        "epoch": state.epoch,
        "step": state.step,
        "manifest_sha256": state.manifest_sha256,
        "best_loss": state.best.loss,
        "best_epoch": state.best.epoch,
        "counts": {part: len(arrays) for part, arrays in parts.items()},
    }
    numbered = {f"{part}/{n}": array for part, arrays in parts.items() for n, array in enumerate(arrays)}
    return {"description": np.array(json.dumps(description)), **numbered}


def _from_arrays(arrays: Any) -> TrainingState:
    description = json.loads(str(arrays["description"]))
    if description["format"] != FORMAT:
        raise ValueError(f"format {description['format']}, expected {FORMAT}")
    parts = {part: [arrays[f"{part}/{n}"] for n in range(count)] for part, count in description["counts"].items()}
    return TrainingState(
        epoch=description["epoch"],
        step=description["step"],
        manifest_sha256=description["manifest_sha256"],
        weights=parts["weights"],
        optimizer=parts["optimizer"],
        seeds=parts["seeds"],
        best=Best(parts["best"], description["best_loss"], description["best_epoch"]),
        metrics=parts["metrics"],
        auxiliary=parts["auxiliary"],
        held_out=parts.get("held_out", []),  # none in checkpoints of before
    )
