"""Answers from the H5 itself: what `ENGINE=keras` chooses. TensorFlow is loaded when the first version is opened."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.artifacts.h5 import PredictFn, load_network
from training.models import ModelVersion


def open_h5(version: ModelVersion) -> PredictFn:
    """The version's H5, opened by Keras, on the GPU where there is one. Raises: BrokenArtifact."""
    version.files.check_h5()
    import keras
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):  # training may need the rest of its memory
        tf.config.experimental.set_memory_growth(gpu, True)
    network = load_network(version.files.h5, keras.saving.load_model)
    compiled = tf.function(lambda pixels: network(pixels, training=False), reduce_retracing=True)

    def answer(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = np.asarray(compiled(pixels))[0]
        return probabilities

    return answer
