from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.config import AUGMENTATIONS, NETWORKS, TrainingConfig
from training.errors import WeightsNotFound

pytestmark = pytest.mark.keras

SMALLEST = {"mlp": 8, "lenet5": 20, "cnn": 8, "mobilenetv2": 32, "resnet50": 32}


def build(network: str, **settings: Any) -> Any:
    from training import networks

    settings = {"image_size": SMALLEST[network], "pretrained": False, **settings}
    return networks.build(TrainingConfig.for_network(network, settings), 3)


def pixels(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (count, side, side, 3)).astype("float32")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_with_probabilities_at_its_smallest_size(name: str) -> None:
    network = build(name)

    answers = np.asarray(network(pixels(2, SMALLEST[name]), training=False))

    assert answers.shape == (2, 3)
    assert answers.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    names = {layer.name for layer in network.layers}
    assert {"features", "probabilities"} <= names
    assert ("feature_maps" in names) == (name != "mlp")


def test_augmentation_changes_pictures_in_training_and_never_in_an_answer() -> None:
    network = build("lenet5", augmentation=AUGMENTATIONS, dropout=0)
    picture = pixels(1, 20)

    first, second = (np.asarray(network(picture, training=False)) for _ in range(2))
    third = np.asarray(network(picture, training=True))

    assert (first == second).all()
    assert (first != third).any()


@pytest.mark.parametrize("name", ["lenet5", "mobilenetv2"])
def test_with_augmentation_at_rest_a_plain_call_of_the_saved_network_answers_right(name: str, tmp_path: Path) -> None:
    import keras

    from training import networks

    network = build(name, augmentation=AUGMENTATIONS)
    networks.with_augmentation_at_rest(network).save(tmp_path / "network.h5")
    opened = keras.saving.load_model(tmp_path / "network.h5", compile=False)

    picture = pixels(2, SMALLEST[name])
    assert np.asarray(opened(picture)) == pytest.approx(np.asarray(network(picture, training=False)), abs=1e-5)
    assert {type(layer).__name__ for layer in opened.layers} >= {"RandomFlip", "RandomZoom"}


def test_resnet50_prepares_pixels_as_keras_does() -> None:
    import keras

    network = build("resnet50")
    prepare = keras.Model(network.inputs, network.get_layer("caffe_pixels").output)
    picture = pixels(2, 32)

    ours = np.asarray(prepare(picture, training=False))

    assert ours == pytest.approx(keras.applications.resnet50.preprocess_input(picture.copy()), abs=1e-3)


def test_fine_tuning_leaves_the_lower_part_alone_and_moves_its_averages_faster() -> None:
    from training import networks

    network = build("mobilenetv2")
    networks.unfreeze_last_stage(network, TrainingConfig())
    backbone = network.get_layer("backbone")

    assert not backbone.get_layer("block_5_expand").trainable
    assert backbone.get_layer("block_6_expand").trainable
    assert backbone.get_layer("block_5_expand_BN").momentum == 0.999
    assert backbone.get_layer("block_6_expand_BN").momentum == networks.BATCH_NORM_MOMENTUM


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mobilenetv2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5"),
        ("resnet50", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    ],
)
def test_weights_that_cannot_be_had_are_named_with_the_folder_they_belong_in(
    name: str, file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(fname: str, *args: Any, **kwargs: Any) -> None:
        asked.append(fname)
        raise OSError("no network")

    asked: list[str] = []
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", refuse)

    with pytest.raises(WeightsNotFound) as caught:
        build(name, pretrained=True, image_size=96)

    assert asked == [file]  # Keras itself wants this one
    assert file in str(caught.value)
    assert str(tmp_path / "models") in str(caught.value)
