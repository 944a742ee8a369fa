"""MobileNetV2 as Keras's own guides train it: image_dataset_from_directory, augmentation layers, `fit` of all of it.

    python benchmarks/rivals/plain_keras.py FOLDER [--image-size 160] [--head-epochs 5] [--epochs 8] [--rate 1e-4] \\
        [--frozen]

FOLDER holds train/ and test/ with a folder per class. The head learns first with the backbone frozen, then, unless
--frozen is given, everything, at that rate. Needs nothing of the project but its packages. After each epoch it prints
{"epoch", "seconds", "accuracy"}: seconds since its start without those of the testing.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

BEGAN = time.monotonic()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras  # noqa: E402
from keras import layers  # noqa: E402

BATCH = 32


class Testing(keras.callbacks.Callback):
    """Tests after every epoch, off the clock."""

    def __init__(self, test: Any) -> None:
        super().__init__()
        self.test = test
        self.seconds = 0.0
        self.epochs = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        trained = time.monotonic()
        accuracy = self.model.evaluate(self.test, verbose=0, return_dict=True)["accuracy"]
        self.epochs += 1
        seconds = trained - BEGAN - self.seconds
        self.seconds += time.monotonic() - trained
        print(json.dumps({"epoch": self.epochs, "seconds": round(seconds, 1), "accuracy": accuracy}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--head-epochs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-4, help="of fine-tuning; by default that of the guide")
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--no-augmentation", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)
    side = (options.image_size, options.image_size)
    train, test = (
        keras.utils.image_dataset_from_directory(
            options.folder / part, image_size=side, batch_size=BATCH, shuffle=part == "train", seed=options.seed
        )
        for part in ("train", "test")
    )
    pixels = keras.Input((*side, 3))
    x = pixels
    if not options.no_augmentation:
        for layer in (layers.RandomFlip("horizontal"), layers.RandomRotation(0.05), layers.RandomZoom(0.25)):
            x = layer(x)
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    backbone = keras.applications.MobileNetV2(input_shape=(*side, 3), include_top=False, weights="imagenet")
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(backbone(x)))
    network = keras.Model(pixels, layers.Dense(len(train.class_names), activation="softmax")(x))
    testing = Testing(test)
    backbone.trainable = False
    _fit(network, train, options.head_epochs, 1e-3, testing)
    if not options.frozen:
        backbone.trainable = True
        _fit(network, train, options.epochs, options.rate, testing)


def _fit(network: keras.Model, train: Any, epochs: int, rate: float, testing: Testing) -> None:
    network.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.fit(train.prefetch(2), epochs=epochs, verbose=0, callbacks=[testing])


if __name__ == "__main__":
    main()
