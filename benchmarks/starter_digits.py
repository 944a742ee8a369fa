"""How well does the starter recognizer read digits that other people wrote?

    python -m benchmarks.starter_digits FOLDER [SEED ...]

Trains the starter recognizer as the first start does and prints how long that took and its accuracy on its own test
pictures. Then it reads the pictures in FOLDER/0 … FOLDER/9 (white on black, such as MNIST), none of which it learned
from: as they are, inverted, off-centre, smaller, larger, all of that at once, and as thick strokes on a canvas.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from training.data.images import ingest
from training.data.manifest import Manifest, make_manifest
from training.library.starter import STARTER_CONFIG, digit_pictures

CANVAS = 280


class Silent:
    def device(self, device: object) -> None: ...
    def stage(self, stage: str) -> None: ...
    def epoch(self, result: object) -> None: ...
    def resumed(self, epoch: int) -> None: ...
    def checkpoint(self, path: Path, epoch: int, step: int) -> None: ...


def main(foreign: Path, seed: int) -> None:
    config = STARTER_CONFIG.changed({"seed": seed})
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_pictures(folder)
        import keras

        from training.artifacts.h5 import load_network
        from training.trainer.train import train

        artifact = train(manifest, config, Silent(), folder=folder, cache_folder=folder)
        seconds = time.monotonic() - began
        network = load_network(artifact.h5.path, keras.saving.load_model)
    print(f"seed {seed}: trained in {seconds:.0f} s, own test pictures {artifact.evaluation.accuracy:.4f}")

    files = sorted(foreign.glob("[0-9]/*"))
    labels = np.array([int(file.parent.name) for file in files])
    for title, change in CHANGES.items():
        rng = random.Random(0)
        changed = (change(Image.open(file).convert("L"), rng) for file in files)
        size = (config.image_size, config.image_size)
        pixels = np.stack([np.asarray(each.convert("RGB").resize(size, Image.Resampling.BILINEAR)) for each in changed])
        answers = network.predict(pixels, batch_size=256, verbose=0).argmax(axis=1)
        print(f"  {title:<22}{(answers == labels).mean():.4f}", flush=True)


def write_pictures(folder: Path) -> Manifest:
    pictures = []
    for name, label, data in digit_pictures():
        kept = ingest(data)
        (folder / f"{name}.webp").write_bytes(kept.data)
        pictures.append((f"{name}.webp", kept.sha256, label))
    return make_manifest(folder, pictures)


def placed(picture: Image.Image, scale: float, right: int, down: int) -> Image.Image:
    """The picture made smaller or larger and moved, in a frame of its old size."""
    side = picture.width
    drawn = picture.resize((round(side * scale),) * 2, Image.Resampling.BICUBIC)
    frame = Image.new("L", (side, side))
    frame.paste(drawn, ((side - drawn.width) // 2 + right, (side - drawn.height) // 2 + down))
    return frame


def on_canvas(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Dark round strokes of several widths on white, as the page's canvas gives them."""
    smooth = picture.resize((CANVAS, CANVAS), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(5))
    stroke = smooth.point(lambda value: 255 if value > 100 else 0).resize((CANVAS // 2, CANVAS // 2))
    thick = stroke.filter(ImageFilter.MaxFilter(rng.choice([1, 3, 5, 7])))
    return ImageOps.invert(thick.filter(ImageFilter.GaussianBlur(1)).resize((CANVAS, CANVAS)))


CHANGES: dict[str, Callable[[Image.Image, random.Random], Any]] = {
    "plain": lambda picture, _: picture,
    "inverted": lambda picture, _: ImageOps.invert(picture),
    "shifted by up to 4": lambda picture, by: placed(picture, 1, by.randint(-4, 4), by.randint(-4, 4)),
    "60 to 90 %, shifted": lambda picture, by: placed(
        picture, by.uniform(0.6, 0.9), by.randint(-3, 3), by.randint(-3, 3)
    ),
    "110 to 130 %": lambda picture, by: placed(picture, by.uniform(1.1, 1.3), 0, 0),
    "all of these at once": lambda picture, by: ImageOps.invert(
        placed(picture, by.uniform(0.7, 1.1), by.randint(-4, 4), by.randint(-4, 4))
    ),
    "on a canvas": on_canvas,
}


if __name__ == "__main__":
    for seed in sys.argv[2:] or ["1"]:
        main(Path(sys.argv[1]), int(seed))
