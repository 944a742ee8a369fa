"""What a checkpoint costs: its size, and the seconds to collect, write and read one.

    python -m benchmarks.checkpoints [NETWORK] [ROUNDS]

Trains one step of a network (mobilenetv2 by default) at its usual size on noise, so that the optimizer has its moments,
then writes and reads the state as the trainer does after every epoch. Prints medians.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.timing import median
from training import networks
from training.config import TrainingConfig
from training.trainer.callbacks import BestWeights, Checkpointer
from training.trainer.checkpoints import Best, read_checkpoint, write_checkpoint


def main(name: str, rounds: int) -> None:
    config = TrainingConfig.for_network(name, {"pretrained": False} if name in ("mobilenetv2", "resnet50") else {})
    network = networks.build(config, 5)
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    network.compile("adamw", "sparse_categorical_crossentropy", metrics=[accuracy])
    states: list[Any] = []
    best = BestWeights(network, Best(network.get_weights()))
    checkpointer = Checkpointer(states.append, network, best, accuracy, "0" * 64)
    pixels = np.random.default_rng(1).integers(0, 256, (4, config.image_size, config.image_size, 3)).astype("float32")
    network.fit(pixels, np.arange(4), verbose=0, callbacks=[checkpointer])

    collecting = median(rounds, lambda: checkpointer.on_epoch_end(0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.npz"
        writing = median(rounds, lambda: write_checkpoint(path, states[-1]))
        reading = median(rounds, lambda: read_checkpoint(path))
        megabytes = path.stat().st_size / 1e6
    print(f"{name}: {megabytes:.1f} MB; collect {collecting:.3f} s, write {writing:.3f} s, read {reading:.3f} s")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "mobilenetv2", int(sys.argv[2]) if len(sys.argv) > 2 else 7)
