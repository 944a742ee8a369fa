from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config import TrainingConfig
from training.config.choices import NETWORKS
from training.config.constraints import map_sides
from training.config.values import is_relevant, item_type_of, read_value, type_of
from training.errors import WrongConfig

FIELDS = {each.name: each for each in fields(TrainingConfig)}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "20", 20),
        ("epochs", "20.0", 20),
        ("learning_rate", "1e-3", 0.001),
        ("pretrained", "No", False),
        ("pretrained", "true", True),
        ("filters", "16,32", (16, 32)),
        ("filters", "16, 32 64", (16, 32, 64)),
        ("augmentation", "", ()),
        ("augmentation", "flip,zoom", ("flip", "zoom")),
        ("network", "cnn", "cnn"),
    ],
)
def test_text_is_read_as_the_settings_type(name: str, text: str, value: object) -> None:
    assert read_value(FIELDS[name], text) == value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", "many", "1 … 1000"),
        ("epochs", "0", "1 … 1000"),
        ("epochs", "2.5", "1 … 1000"),
        ("epochs", True, "1 … 1000"),
        ("epochs", None, "1 … 1000"),
        ("epochs", "inf", "1 … 1000"),
        ("learning_rate", "nan", "1e-07 … 10"),
        ("learning_rate", "inf", "1e-07 … 10"),
        ("pretrained", "perhaps", "bool"),
        ("pretrained", 1, "bool"),
        ("optimizer", "lion", "sgd / momentum / nesterov"),
        ("network", "vgg", "mlp / lenet5 / cnn"),
        ("augmentation", "flip,smear", "flip / vertical_flip"),
        ("filters", "0", "1 … 2048"),
        ("filters", 32, "1 … 2048"),
        ("filters", [[1]], "1 … 2048"),
        ("dropout", "1", "0 … 0.9"),
        ("image_size", 4096, "8 … 512"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_was_expected(name: str, value: object, expected: str) -> None:
    with pytest.raises(WrongConfig) as caught:
        TrainingConfig().changed({name: value})

    assert str(caught.value).startswith(f"{name} is “")
    assert expected in str(caught.value)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(WrongConfig, match=r"no setting “epoch”.*epochs, head_epochs"):
        TrainingConfig().changed({"epoch": 5})


@pytest.mark.parametrize(
    ("network", "chosen", "setting", "reason"),
    [
        ("mobilenetv2", {"epochs": 2, "head_epochs": 3}, "head_epochs", "only 2 epochs"),
        ("efficientnetlite0and2", {"fine_tune": "upper"}, "fine_tune", "only the last layer learns"),
        ("efficientnetlite1", {"beside_start": True, "companion": "efficientnetlite2"}, "companion", "it can be: none"),
        (
            "efficientnetlite0",
            {"beside_start": True, "companion": "efficientnetlite0"},
            "companion",
            "efficientnetlite2",
        ),
        ("mobilenetv2", {"image_size": 24}, "image_size", "needs at least 32"),
        ("inceptionv3", {"image_size": 64}, "image_size", "needs at least 75"),
        ("googlenet", {"image_size": 63}, "image_size", "needs at least 64"),
        ("lenet5", {"image_size": 11}, "image_size", "needs at least 12"),
        ("lenet5", {"image_size": 512, "pooling": "none"}, "image_size", "495 million weights"),
        ("cnn", {"image_size": 16, "filters": (8,) * 5}, "filters", "Block 5 of 5 gets maps of 1 × 1 pixels"),
        ("cnn", {"image_size": 16, "padding": "valid", "kernel_size": 5}, "filters", "Block 3 of 3 gets maps of 1 ×"),
        ("cnn", {"image_size": 16, "stride": 4}, "filters", "Block 2 of 3 gets maps of 2 ×"),
        ("cnn", {"filters": ()}, "filters", "filters is empty"),
        ("cnn", {"filters": (2048, 2048), "kernel_size": 11}, "filters", "508 million weights"),
        ("mlp", {"hidden_units": ""}, "hidden_units", "hidden_units is empty"),
        ("mlp", {"hidden_units": "8192", "image_size": 224}, "hidden_units", "1233 million weights"),
        ("mlp", {"batch_size": 1}, "batch_size", "at least 2"),
        ("cnn", {"loss": "mean_squared_error", "label_smoothing": 0.1}, "label_smoothing", "make it 0"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(
    network: str, chosen: dict[str, Any], setting: str, reason: str
) -> None:
    with pytest.raises(WrongConfig, match=reason) as caught:
        TrainingConfig.for_network(network, chosen)

    assert caught.value.params["name"] == setting


@pytest.mark.parametrize(
    ("chosen", "sides"),
    [
        ({}, [16, 8, 4]),
        ({"pooling": "none"}, [32, 32, 32]),
        ({"stride": 2, "pooling": "none"}, [16, 8, 4]),
        ({"padding": "valid", "convolutions": 2}, [14, 5, 0]),
        ({"padding": "valid", "kernel_size": 5}, [14, 5, 0]),
    ],
)
def test_the_maps_of_each_block_are_as_large_as_the_settings_say(chosen: dict[str, Any], sides: list[int]) -> None:
    blocks = 3 if sides[-1] else 2

    config = TrainingConfig.for_network("cnn", {"image_size": 32, "filters": (8,) * blocks, **chosen})

    assert map_sides(config) == sides[:blocks]


@pytest.mark.parametrize(
    ("network", "chosen", "name", "means_something"),
    [
        ("cnn", {"optimizer": "adam"}, "momentum", False),
        ("cnn", {"optimizer": "nesterov"}, "momentum", True),
        ("cnn", {"schedule": "step"}, "rate_factor", True),
        ("cnn", {"schedule": "cosine"}, "rate_factor", False),
        ("cnn", {"augmentation": ""}, "augmentation_strength", False),
        ("cnn", {"augmentation": "zoom"}, "augmentation_strength", True),
        ("cnn", {}, "hidden_units", False),
        ("cnn", {}, "head_epochs", False),
        ("mobilenetv2", {}, "head_epochs", True),
        ("mobilenetv2", {"pretrained": False}, "head_epochs", False),
        ("mobilenetv2", {"fine_tune": "none"}, "fine_tune_learning_rate", False),
    ],
)
def test_a_setting_means_something_only_beside_those_that_it_belongs_to(
    network: str, chosen: dict[str, Any], name: str, means_something: bool
) -> None:
    config = TrainingConfig.for_network(network, chosen)

    assert is_relevant(FIELDS[name], config) is means_something


def test_what_a_form_does_not_ask_for_falls_back_to_the_networks_own() -> None:
    start = TrainingConfig.for_network("cnn", {"label_smoothing": 0.1, "momentum": 0.5, "optimizer": "momentum"})

    config = start.settled({"loss": "mean_squared_error", "optimizer": "adam", "label_smoothing": 0.2})

    assert (config.label_smoothing, config.momentum) == (0, 0.9)


@pytest.mark.parametrize("name", FIELDS)
def test_what_a_setting_depends_on_are_settings_and_their_values(name: str) -> None:
    for other, wanted in FIELDS[name].metadata["when"].items():
        assert set(wanted) <= set(FIELDS[other].metadata["choices"] or (True, False))


def test_head_epochs_count_only_where_there_is_a_frozen_backbone() -> None:
    config = TrainingConfig.for_network("mobilenetv2", {"epochs": 1, "head_epochs": 3, "pretrained": False})

    assert not config.is_fine_tuned


@pytest.mark.parametrize("network", NETWORKS)
def test_every_networks_own_defaults_are_valid(network: str) -> None:
    config = TrainingConfig.for_network(network)

    assert config.network == network
    assert TrainingConfig.from_dict(config.to_dict()) == config


def test_what_is_chosen_goes_over_the_networks_defaults() -> None:
    config = TrainingConfig.for_network("cnn", {"epochs": "7"})

    assert (config.epochs, config.image_size) == (7, 96)


@given(
    epochs=st.integers(20, 1000),
    learning_rate=st.floats(1e-7, 10),
    filters=st.lists(st.integers(1, 2048), min_size=1, max_size=5),
    seed=st.integers(0, 2**31 - 1),
)
def test_a_config_survives_its_way_through_a_row(
    epochs: int, learning_rate: float, filters: list[int], seed: int
) -> None:
    config = TrainingConfig().changed(
        {"epochs": epochs, "learning_rate": learning_rate, "filters": filters, "seed": seed}
    )

    assert TrainingConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_says_what_it_does_and_what_it_may_be(name: str) -> None:
    each = FIELDS[name]

    assert each.metadata["help"].endswith(".")
    assert set(each.metadata["networks"]) <= set(NETWORKS)
    if item_type_of(each) in (int, float):
        assert each.metadata["minimum"] < each.metadata["maximum"]
    elif item_type_of(each) is str:
        assert each.metadata["choices"]


def test_the_type_of_a_list_and_of_what_it_holds_can_be_asked() -> None:
    assert (type_of(FIELDS["filters"]), item_type_of(FIELDS["filters"])) == (tuple, int)
    assert FIELDS["filters"].default == (32, 64, 128)
