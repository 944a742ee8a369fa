from __future__ import annotations

import errno
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from tests.disks import fill
from training.artifacts.files import check_files
from training.artifacts.version_files import SERVING_MODEL_NAMES
from training.config import TrainingConfig
from training.errors import ServingModelDiffers

pytestmark = pytest.mark.keras

PIXELS = np.random.default_rng(1).integers(0, 256, (3, 20, 20, 3), dtype=np.uint8)


def build(seed: int = 1) -> Any:
    import keras

    from training import networks

    keras.utils.set_random_seed(seed)
    settings = {"image_size": 20, "filters": (4, 8), "augmentation": ()}
    return networks.build(TrainingConfig.for_network("cnn", settings), 2)


def answers_of(network: Any) -> np.ndarray:
    return np.asarray(network(PIXELS.astype(np.float32), training=False))


def test_the_serving_model_gives_the_same_probabilities_and_the_features_beside_them(tmp_path: Path) -> None:
    import openvino as ov

    from training.trainer.conversion import make_serving_model

    network = build()

    serving_model = make_serving_model(network, tmp_path, PIXELS, answers_of(network))

    outputs = ov.Core().compile_model(serving_model.paths[0], "CPU")(PIXELS[:1].astype(np.float32))
    expected = np.asarray(network(PIXELS[:1].astype(np.float32)))
    assert outputs["probabilities"] == pytest.approx(expected, abs=1e-4)
    assert outputs["feature_maps"].shape == (1, 5, 5, 8)
    assert outputs["features"].shape == (1, 8)
    assert (serving_model.max_difference < 1e-4, serving_model.pictures_compared) == (True, 3)
    assert sorted(each.name for each in tmp_path.glob("serving_model*")) == ["serving_model.bin", "serving_model.xml"]


def test_where_only_the_last_layer_learned_it_is_put_on_the_body_converted_before(tmp_path: Path) -> None:
    import openvino as ov

    from training.trainer.backbone_features import frozen_in_openvino
    from training.trainer.conversion import make_serving_model

    network = build()
    body = frozen_in_openvino(network, TrainingConfig.for_network("cnn"), tmp_path).body
    last = network.get_layer("probabilities")
    last.set_weights([each + 1 - 2 * (each > each.mean()) for each in last.get_weights()])

    serving_model = make_serving_model(network, tmp_path, PIXELS, answers_of(network), body=body)

    outputs = ov.Core().compile_model(serving_model.paths[0], "CPU")(PIXELS[:1].astype(np.float32))
    assert serving_model.max_difference < 1e-4
    assert (outputs["feature_maps"].shape, outputs["features"].shape) == ((1, 5, 5, 8), (1, 8))


def test_a_serving_model_of_another_network_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.trainer import conversion

    network, convert, other = build(seed=1), conversion._convert, build(seed=2)
    monkeypatch.setattr(conversion, "_convert", lambda network, folder: convert(other, folder))

    with pytest.raises(ServingModelDiffers, match="differs from the H5"):
        conversion.make_serving_model(network, tmp_path, PIXELS, answers_of(network))


def test_a_full_disk_is_called_so_and_nothing_is_left(tmp_path: Path, small_disk: Path) -> None:
    from training.trainer.conversion import make_serving_model

    network = build()
    fill(small_disk)

    with pytest.raises(OSError, match="No space left") as caught:
        make_serving_model(network, small_disk, PIXELS, answers_of(network))

    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(small_disk))
    assert [each.name for each in small_disk.iterdir()] == ["filler"]


def test_a_disk_that_is_full_once_the_serving_model_is_written_keeps_the_older_serving_model(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainer import conversion

    network, convert = build(), conversion._convert
    older = conversion.make_serving_model(network, small_disk, PIXELS, answers_of(network))

    def convert_and_fill(network: Any, folder: Path) -> Any:
        model = convert(network, folder)
        fill(small_disk)
        return model

    monkeypatch.setattr(conversion, "_convert", convert_and_fill)
    with pytest.raises(OSError, match="No space left"):
        conversion.make_serving_model(network, small_disk, PIXELS, answers_of(network))

    assert sorted(each.name for each in small_disk.iterdir()) == ["filler", *sorted(SERVING_MODEL_NAMES)]
    check_files(list(older.paths), older.sha256)


def test_what_goes_wrong_on_a_disk_with_room_is_not_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainer import conversion

    monkeypatch.setattr(conversion, "_convert", Mock(side_effect=RuntimeError("unknown layer")))

    with pytest.raises(RuntimeError, match="unknown layer"):
        conversion.make_serving_model(build(), tmp_path, PIXELS, PIXELS.astype(np.float32))


def test_a_network_that_answers_not_a_number_has_no_serving_model(tmp_path: Path) -> None:
    from training.trainer import conversion

    network = build()
    probabilities = network.get_layer("probabilities")
    probabilities.set_weights([np.full_like(each, np.nan) for each in probabilities.get_weights()])

    with pytest.raises(ServingModelDiffers, match="nan"):
        conversion.make_serving_model(network, tmp_path, PIXELS, answers_of(network))
