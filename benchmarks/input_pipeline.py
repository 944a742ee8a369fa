"""Is the input pipeline ever what training waits for?

    KERAS_HOME=../shared/keras_home python -m benchmarks.input_pipeline [ROUNDS]

Trains on made pictures of 640 px, then on one batch of them over and over, which no pipeline has to prepare; the same
network, interleaved, medians. Where both are as fast, reading and changing pictures costs nothing. And what a photo of
12 megapixels takes: once when it is taken in, once when it is decoded for a training, and in every epoch after that.
"""

from __future__ import annotations

import io
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks.timing import median
from training.config import TrainingConfig
from training.config.presets import BALANCED, preset_config
from training.config.schedules import phases
from training.data.images import ingest, load_pixels
from training.data.manifest import Manifest, make_manifest
from training.data.pixel_cache import pixel_cache
from training.trainer.input_pipeline import shuffled
from training.trainer.phases import PhaseSetup
from training.trainer.train import network_to_fit

PICTURES = 640
CONFIGS = {
    "cnn, 48 px, as the presets have it": preset_config(BALANCED, "cnn"),
    "cnn, 96 px": TrainingConfig.for_network("cnn"),
    "mobilenetv2, whole, 96 px": preset_config(BALANCED, "mobilenetv2").changed(
        {"image_size": 96, "fine_tune": "whole", "head_epochs": 0}
    ),
}


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = make_pictures(folder)
        for title, config in CONFIGS.items():
            real, synthetic = compare(manifest, config, folder, rounds)
            print(f"{title}: {real:.0f} pictures/s, {synthetic:.0f} from one batch; {real / synthetic:.2f}", flush=True)
    photo = encoded(4000, 3000, 0)
    kept = ingest(photo)
    taking_in = median(rounds, lambda: ingest(photo))
    decoding = median(rounds, lambda: load_pixels(io.BytesIO(kept.data), 224))
    print(f"a photo of 12 megapixels: {1000 * taking_in:.0f} ms to take in, once", flush=True)
    print(f"  and {1000 * decoding:.1f} ms to decode at 224 px, once a training", flush=True)


def compare(manifest: Manifest, config: TrainingConfig, folder: Path, rounds: int) -> tuple[float, float]:
    """Pictures a second from the real pipeline, and from one batch over and over; medians."""
    network = network_to_fit(config, len(manifest.class_names))
    setup = PhaseSetup(network, pixel_cache(manifest, config.image_size, folder), manifest, config, folder)
    phase = phases(config)[-1]
    learner, batches = setup.prepare(phase)
    train = manifest.positions("train")
    steps = len(train) // config.batch_size
    order = shuffled(train, config.seed, 0)[: steps * config.batch_size]
    setup.compile(learner, phase, [steps], keras.metrics.CategoricalAccuracy("accuracy"))
    one = next(iter(batches.of_epoch(0, order)))

    def fit(batches: tf.data.Dataset) -> float:
        began = time.perf_counter()
        learner.fit(batches, shuffle=False, verbose=0)
        return len(order) / (time.perf_counter() - began)

    fit(batches.of_epoch(0, order))  # traces
    real, synthetic = [], []
    for number in range(1, rounds + 1):
        real.append(fit(batches.of_epoch(number, order)))
        synthetic.append(fit(tf.data.Dataset.from_tensors(one).repeat(math.ceil(len(order) / config.batch_size))))
    return statistics.median(real), statistics.median(synthetic)


def make_pictures(folder: Path) -> Manifest:
    samples = []
    for number in range(PICTURES):
        kept = ingest(encoded(640, 480, number))
        (folder / f"{number}.webp").write_bytes(kept.data)
        samples.append((f"{number}.webp", kept.sha256, "ab"[number % 2]))
    return make_manifest(folder, samples)


def encoded(width: int, height: int, number: int) -> bytes:
    """A JPEG of smooth random colours."""
    coarse = np.random.default_rng(number).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
