from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.config import TrainingConfig

pytestmark = pytest.mark.keras

SIZE = 64
PIXELS = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.float32)
SETTINGS = {"image_size": SIZE, "augmentation": (), "linear_probe": True, "fine_tune": "upper", "epochs": 3}


@pytest.mark.parametrize(
    ("start_network", "companion", "width"),
    [("efficientnetlite0", "none", 2560), ("efficientnetlite0and2", "efficientnetlite2", 3840)],
)
def test_all_answer_and_their_logits_are_added(start_network: str, companion: str, width: int, tmp_path: Path) -> None:
    import keras

    from training import networks

    alone = TrainingConfig.for_network("efficientnetlite0", SETTINGS)
    fresh, tuned = networks.build(alone, 3), networks.build(alone, 3)
    start = networks.build(TrainingConfig.for_network(start_network, {**SETTINGS, "fine_tune": "none"}), 3)
    tuned.set_weights([each * 0.99 for each in fresh.get_weights()[:-2]] + tuned.get_weights()[-2:])
    backbone = tuned.get_layer("backbone")
    for layer in backbone.layers[: networks.fine_tune_from(backbone, alone)]:
        if layer.weights:
            layer.set_weights(fresh.get_layer("backbone").get_layer(layer.name).get_weights())
    both = alone.changed({"beside_start": True, "companion": companion})
    whole = networks.build(both, 3)

    networks.join(whole, tuned, tuple(start.get_layer("probabilities").get_weights()), 0.5)

    logits = np.log(np.asarray(tuned(PIXELS))) + 0.5 * np.log(np.asarray(start(PIXELS)))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.asarray(whole(PIXELS)) == pytest.approx(expected, abs=1e-4)
    assert whole.get_layer("features").output.shape == (None, width)

    whole.save(tmp_path / "whole.h5")
    again = keras.models.load_model(tmp_path / "whole.h5", compile=False)
    assert np.asarray(again(PIXELS)) == pytest.approx(np.asarray(whole(PIXELS)), abs=1e-6)
    copy = networks.build(both.changed({"pretrained": False}), 3)
    copy.set_weights(whole.get_weights())
    assert np.asarray(copy(PIXELS)) == pytest.approx(np.asarray(whole(PIXELS)), abs=1e-6)
