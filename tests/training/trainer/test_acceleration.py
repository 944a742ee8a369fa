from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.config import TrainingConfig

pytestmark = pytest.mark.keras

PIXELS = np.random.default_rng(1).uniform(0, 255, (8, 16, 16, 3)).astype("float32")


def networks(*, halves: bool) -> tuple[Any, Any]:
    import keras

    from training.networks import build
    from training.trainer.acceleration import accelerated

    keras.utils.set_random_seed(1)
    settings = {"image_size": 16, "filters": (8, 8), "augmentation": (), "dropout": 0}
    plain = build(TrainingConfig.for_network("cnn", settings), 3)
    return plain, accelerated(plain, halves=halves)


@pytest.mark.parametrize(("halves", "tolerance"), [(False, 1e-5), (True, 2e-2)])
def test_the_faster_layers_answer_and_learn_like_those_of_keras(halves: bool, tolerance: float) -> None:
    plain, fast = networks(halves=halves)

    answers = [np.asarray(network(PIXELS, training=True)) for network in (plain, fast)]

    assert answers[1] == pytest.approx(answers[0], abs=tolerance)
    for one, other in zip(fast.get_weights(), plain.get_weights(), strict=True):  # the moving averages among them
        assert one == pytest.approx(other, abs=5e-2 if halves else 5e-3)


def test_a_frozen_layer_keeps_its_averages() -> None:
    _, fast = networks(halves=False)
    fast.trainable = False
    before = fast.get_weights()

    fast(PIXELS, training=True)

    assert all((one == other).all() for one, other in zip(fast.get_weights(), before, strict=True))


@pytest.mark.parametrize(("flags", "expected"), [("fpu avx512_bf16 sse", True), ("fpu avx2", False)])
def test_halves_are_used_where_the_processor_has_them(flags: str, expected: bool, tmp_path: Path) -> None:
    from training.trainer.acceleration import has_bfloat16

    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")

    assert has_bfloat16(tmp_path / "cpuinfo") is expected
