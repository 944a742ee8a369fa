from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config import NETWORKS, TrainingConfig, item_type_of, read_value, type_of
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
        ("optimizer", "lion", "adam / adamw / sgd"),
        ("network", "vgg", "mlp / lenet5 / cnn"),
        ("augmentation", "flip,smear", "flip / rotation"),
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
    ("network", "chosen", "reason"),
    [
        ("cnn", {"validation_share": 0.4, "test_share": 0.4}, "leave at least 0.3"),
        ("mobilenetv2", {"epochs": 2, "head_epochs": 3}, "only 2 epochs"),
        ("mobilenetv2", {"image_size": 24}, "needs at least 32"),
        ("lenet5", {"image_size": 16}, "needs at least 20"),
        ("cnn", {"image_size": 16, "filters": (8,) * 5}, "needs at least 32"),
        ("cnn", {"filters": ()}, "filters is empty"),
        ("mlp", {"hidden_units": ""}, "hidden_units is empty"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(network: str, chosen: dict[str, Any], reason: str) -> None:
    with pytest.raises(WrongConfig, match=reason):
        TrainingConfig.for_network(network, chosen)


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
