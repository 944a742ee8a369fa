from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.config import TrainingConfig
from training.config.choices import (
    ACTIVATIONS,
    APPLICATION_TITLES,
    AUGMENTATIONS,
    COMMON_APPLICATIONS,
    FROM_SCRATCH,
    INITIALIZERS,
    LITES,
    PRETRAINED,
)
from training.config.constraints import map_sides
from training.errors import WeightsNotFound

pytestmark = pytest.mark.keras

SMALLEST = {"mlp": 8, "lenet5": 12, "cnn": 8, "googlenet": 64}


def config(network: str, **settings: Any) -> TrainingConfig:
    settings = {"image_size": SMALLEST.get(network, 32), "pretrained": False, "augmentation": (), **settings}
    return TrainingConfig.for_network(network, settings)


def build(network: str, **settings: Any) -> Any:
    from training import networks

    return networks.build(config(network, **settings), 3)


def pixels(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (count, side, side, 3)).astype("float32")


def shapes(network: Any, kind: str) -> list[tuple[int | None, ...]]:
    return [layer.output.shape for layer in network.layers if type(layer).__name__ == kind]


@pytest.mark.parametrize("name", [*FROM_SCRATCH, *LITES, *COMMON_APPLICATIONS])
def test_every_network_answers_with_probabilities_at_its_smallest_size(name: str) -> None:
    network = build(name)

    answers = np.asarray(network(pixels(2, SMALLEST.get(name, 32)), training=False))

    assert answers.shape == (2, 3)
    assert answers.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    names = {layer.name for layer in network.layers}
    assert {"features", "probabilities"} <= names
    assert ("feature_maps" in names) == (name != "mlp")
    assert ("backbone" in names) == (name not in FROM_SCRATCH)


def test_every_network_of_keras_applications_is_there() -> None:
    import keras

    from training.networks.applications import APPLICATIONS

    assert set(APPLICATIONS) == set(PRETRAINED)
    assert set(APPLICATION_TITLES.values()) == {name for name in dir(keras.applications) if name[0].isupper()}


@pytest.mark.parametrize(
    "chosen",
    [
        {"stride": 2, "padding": "valid", "pooling": "none"},
        {"convolutions": 2, "kernel_size": 5, "pooling": "average"},
        {"batch_normalization": False, "kernel_size": 2, "padding": "valid"},
    ],
)
def test_the_cnn_is_built_as_its_settings_say(chosen: dict[str, Any]) -> None:
    wanted = config("cnn", image_size=40, filters=(4, 6), **chosen)
    network = build("cnn", image_size=40, filters=(4, 6), **chosen)

    convolutions = [layer for layer in network.layers if type(layer).__name__ == "Conv2D"]
    assert [each.filters for each in convolutions] == [4] * wanted.convolutions + [6] * wanted.convolutions
    assert {each.kernel_size for each in convolutions} == {(wanted.kernel_size, wanted.kernel_size)}
    assert convolutions[0].strides == (wanted.stride, wanted.stride)
    assert network.get_layer("feature_maps").output.shape == (None, map_sides(wanted)[-1], map_sides(wanted)[-1], 6)
    assert len(shapes(network, "AveragePooling2D")) == (2 if wanted.pooling == "average" else 0)
    assert bool(shapes(network, "BatchNormalization")) == wanted.batch_normalization


def test_lenet5_can_be_the_papers() -> None:
    network = build("lenet5", image_size=32, activation="tanh", pooling="average")

    assert shapes(network, "AveragePooling2D") == [(None, 16, 16, 6), (None, 6, 6, 16)]
    assert {layer.activation.__name__ for layer in network.layers if type(layer).__name__ == "Conv2D"} == {
        "linear",  # of the grey pixels
        "tanh",
    }


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_opened_again_from_an_h5(name: str, tmp_path: Path) -> None:
    import keras

    network = build("cnn", activation=name, filters=(4,))
    network.save(tmp_path / "network.h5")
    opened = keras.saving.load_model(tmp_path / "network.h5", compile=False)

    assert np.asarray(opened(pixels(2, 8))) == pytest.approx(np.asarray(network(pixels(2, 8))), abs=1e-6)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_weights_begin_as_chosen(name: str) -> None:
    network = build("mlp", initialization=name, hidden_units=(400,), batch_normalization=False)

    kernel = network.layers[-4].get_weights()[0]  # (192, 400)

    spread = {
        "glorot_uniform": np.sqrt(2 / 592),
        "he_normal": np.sqrt(2 / 192),
        "lecun_normal": np.sqrt(1 / 192),
        "random_normal": 0.05,
        "zeros": 0,
    }
    assert kernel.std() == pytest.approx(spread[name], rel=0.03)


def test_googlenet_is_the_papers_at_its_size() -> None:
    from training import networks

    network = build("googlenet", image_size=224, batch_normalization=False)
    learner = networks.with_auxiliary_heads(network, config("googlenet", image_size=224), 3)

    maps = {module: network.get_layer(f"inception_{module}").output.shape[1:] for module in ("3a", "3b", "4a", "5b")}
    assert maps == {"3a": (28, 28, 256), "3b": (28, 28, 480), "4a": (14, 14, 512), "5b": (7, 7, 1024)}
    assert network.count_params() == pytest.approx(5_976_000, rel=0.001)
    assert set(learner.output) == {"probabilities", "auxiliary_4a", "auxiliary_4d"}


def test_the_auxiliary_heads_learn_with_the_network_and_stay_out_of_its_answer() -> None:
    from training import networks
    from training.trainer.loss_and_optimizer import make_loss

    chosen = config("googlenet", auxiliary_weight=0.3)
    network = networks.build(chosen, 3)
    learner = networks.with_auxiliary_heads(network, chosen, 3)
    learner.compile("sgd", {name: make_loss(chosen) for name in learner.output})
    before = network.get_layer("inception_3a").output.shape, network.get_weights()[0].copy()

    shares = np.eye(3)[[0, 1]]
    learner.fit(pixels(2, 64), dict.fromkeys(learner.output_names, shares), verbose=0)

    assert (network.get_weights()[0] != before[1]).any()
    assert network.output.shape == (None, 3)
    assert len(network.get_weights()) < len(learner.get_weights())


def test_without_their_weight_or_in_other_networks_there_are_no_auxiliary_heads() -> None:
    from training import networks

    for chosen in (config("googlenet", auxiliary_weight=0), config("cnn")):
        network = networks.build(chosen, 3)

        assert networks.with_auxiliary_heads(network, chosen, 3) is network


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_changes_pictures_in_training_and_never_in_an_answer(name: str) -> None:
    from training.networks import random_layers

    picture = pixels(4, 16)
    weakly, strongly = picture, picture
    for layer in random_layers(name, config("cnn", augmentation_strength=0.1)):
        weakly = np.asarray(layer(weakly, training=True))
    for layer in random_layers(name, config("cnn", augmentation_strength=3)):
        assert (np.asarray(layer(picture, training=False)) == picture).all()
        strongly = np.asarray(layer(strongly, training=True))

    assert (strongly != picture).any()
    if name in {"contrast", "brightness", "colour"}:
        assert np.abs(weakly - picture).mean() < np.abs(strongly - picture).mean()
    assert -40 <= strongly.min() <= strongly.max() <= 295


@pytest.mark.parametrize("name", ["lenet5", "mobilenetv2"])
def test_with_augmentation_at_rest_a_plain_call_of_the_saved_network_answers_right(name: str, tmp_path: Path) -> None:
    import h5py
    import keras

    from training import networks
    from training.artifacts.h5 import check_layers

    network = build(name, augmentation=AUGMENTATIONS, image_size=32)
    networks.with_augmentation_at_rest(network).save(tmp_path / "network.h5")
    with h5py.File(tmp_path / "network.h5", "a") as file:
        file["discern/golden_input"] = pixels(1, 32)[0]  # which no input of the network may be larger than
    check_layers(tmp_path / "network.h5")
    opened = keras.saving.load_model(tmp_path / "network.h5", compile=False)

    picture = pixels(2, 32)
    assert np.asarray(opened(picture)) == pytest.approx(np.asarray(network(picture, training=False)), abs=1e-5)
    kinds = {type(layer).__name__ for layer in opened.layers}
    assert kinds >= {"RandomFlip", "RandomZoom", "RandomErasing", "RandomBrightness"}
    with h5py.File(tmp_path / "network.h5") as file:
        assert json.loads(file.attrs["model_config"])


@pytest.mark.parametrize(("name", "module"), [("resnet50", "resnet50"), ("densenet121", "densenet")])
def test_pixels_are_prepared_as_keras_does(name: str, module: str) -> None:
    import keras

    from training.networks.applications import APPLICATIONS

    given = keras.Input((16, 16, 3))
    prepare = keras.Model(given, APPLICATIONS[name].prepare(given))
    picture = pixels(2, 16)

    ours = np.asarray(prepare(picture, training=False))

    assert ours == pytest.approx(getattr(keras.applications, module).preprocess_input(picture.copy()), abs=1e-3)


def test_a_network_with_layers_of_keras_applications_own_is_said_in_plain_ones(tmp_path: Path) -> None:
    import keras

    from training.networks.applications import in_plain_layers

    theirs = keras.applications.MobileNetV3Small(input_shape=(32, 32, 3), include_top=False, weights=None)
    theirs.set_weights([values + 0.05 for values in theirs.get_weights()])
    ours = in_plain_layers(theirs, config("mobilenetv3small"))
    ours.save(tmp_path / "network.h5")
    opened = keras.saving.load_model(tmp_path / "network.h5", compile=False)

    expected = np.asarray(theirs(pixels(2, 32), training=False))
    assert expected.std() > 0
    assert np.asarray(opened(pixels(2, 32), training=False)) == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_fine_tuning_leaves_the_lower_part_alone_and_moves_its_averages_faster() -> None:
    from training import networks

    network = build("mobilenetv2")
    networks.unfreeze_backbone(network, TrainingConfig())
    backbone = network.get_layer("backbone")

    assert not backbone.get_layer("block_5_expand").trainable
    assert backbone.get_layer("block_6_expand").trainable
    assert backbone.get_layer("block_5_expand_BN").momentum == 0.999
    assert backbone.get_layer("block_6_expand_BN").momentum == networks.BATCH_NORM_MOMENTUM

    networks.unfreeze_backbone(network, TrainingConfig(fine_tune="whole"))

    assert all(layer.trainable for layer in backbone.layers)

    networks.unfreeze_backbone(network, TrainingConfig(fine_tune_batch_norm=False))

    assert backbone.get_layer("block_6_expand").trainable
    assert not backbone.get_layer("block_6_expand_BN").trainable


def test_where_nobody_said_the_upper_part_begins_at_a_cut_near_the_last_third() -> None:
    from training import networks

    chosen = config("mobilenetv3small")
    backbone = networks.build(chosen, 3).get_layer("backbone")

    first = networks.fine_tune_from(backbone, chosen)

    assert first in networks.cuts(backbone)
    assert 0.5 < first / len(backbone.layers) < 0.8


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mobilenetv2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_128_no_top.h5"),
        ("resnet50", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
        ("efficientnetv2b0", "efficientnetv2-b0_notop.h5"),
        ("mobilenet", "mobilenet_1_0_128_tf_no_top.h5"),
        ("mobilenetv3small", "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"),
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
        build(name, pretrained=True, image_size=128)

    assert asked == [file]  # Keras itself wants this one
    assert file in str(caught.value)
    assert str(tmp_path / "models") in str(caught.value)


def test_the_same_seed_builds_the_same_augmentation() -> None:
    from training.networks import random_layers

    chosen = config("cnn")
    first, again, other = (
        np.asarray(random_layers("zoom", each)[0](pixels(1, 16), training=True))
        for each in (chosen, chosen, replace(chosen, seed=2))
    )

    assert (first == again).all()
    assert (first != other).any()
