"""How much memory the trainer takes for 20,000 pictures at 224 px.

    KERAS_HOME=../shared/keras_home python -m benchmarks.memory FOLDER [PICTURES] [TRAIN-ARGUMENT …]

The pictures are made: smooth random colours, no two alike, in ten classes. Trains with what `manage.py train` is told
(by default the balanced preset with one epoch of fine-tuning) and prints the most memory that any of its processes had.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.installation import open_installation, peak_megabytes, recognizer_of, train

CLASSES = 10
DEFAULT = (
    *("--preset", "balanced", "--network", "mobilenetv2"),
    *("--set", "image_size=224", "head_epochs=3", "epochs=4"),
)


def main(folder: Path, count: int, arguments: tuple[str, ...]) -> None:
    open_installation(folder)
    made = folder / f"made-{count}"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda number: make(made, number), range(count)))
    recognizer = recognizer_of(made)
    print(f"imported: {peak_megabytes()} MB in any child process so far", flush=True)
    version, seconds = train(recognizer, *arguments)
    print(f"{count} pictures at {version.image_size} px: {peak_megabytes()} MB at most, {seconds:.0f} s")


def make(folder: Path, number: int) -> None:
    target = folder / f"class-{number % CLASSES}" / f"{number:05d}.jpg"
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((224, 224), Image.Resampling.BICUBIC).save(target, quality=85)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20_000, tuple(sys.argv[3:]) or DEFAULT)
