from __future__ import annotations

import random
from typing import Any

import pytest

from training.config import TrainingConfig
from training.config.choices import NETWORKS
from training.config.search_space import (
    Choices,
    Part,
    Range,
    check_possible,
    combined,
    from_dict,
    read_part,
    read_space,
    settings_to_search,
    suggested,
    to_dict,
    values_in,
)
from training.errors import WrongConfig

CNN = TrainingConfig.for_network("cnn")
SETTINGS = {each.name: each for each in settings_to_search("cnn")}


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_suggested_can_be_read_back_and_trained(network: str) -> None:
    base = TrainingConfig.for_network(network)

    for each in settings_to_search(network):
        part = suggested(each, base)
        assert read_part(each, str(part)) == part
        base.changed({each.name: combined(base, {each.name: part.draw(random.Random(1))}).to_dict()[each.name]})


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("dropout", "0.1 .. 0.5", Range(0.1, 0.5)),
        ("dropout", "0.1…0.5", Range(0.1, 0.5)),
        ("learning_rate", "1e-4..0.1", Range(1e-4, 0.1, is_log=True)),
        ("epochs", "5 .. 10", Range(5, 10)),
        ("batch_size", "16 | 32", Choices((16, 32))),
        ("batch_size", "16, 32, 16", Choices((16, 32))),
        ("filters", "16,32 | 32, 64, 128", Choices(("16,32", "32,64,128"))),
        ("augmentation", "flip,zoom | -", Choices(("flip,zoom", ""))),
        ("batch_normalization", "yes | no", Choices((True, False))),
    ],
)
def test_a_text_says_a_range_or_choices(name: str, text: str, part: Part) -> None:
    assert read_part(SETTINGS[name], text) == part


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("dropout", "", "dropout is “”"),
        ("dropout", "0.5 .. 0.5", "not from 0.5 to 0.5"),
        ("dropout", "0 .. 2", "dropout is “2.0”; expected 0 … 0.9"),
        ("epochs", "1.5 .. 3", "epochs is “1.5”"),
        ("weight_decay", "0 .. 0.1", "its range must begin above 0"),
        ("optimizer", "adam .. sgd", "optimizer: expected choices such as"),
        ("optimizer", "adam | magic", "optimizer is “magic”; expected sgd"),
        ("optimizer", "adam", "at least two different choices"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_the_reason(name: str, text: str, reason: str) -> None:
    with pytest.raises(WrongConfig, match=reason):
        read_part(SETTINGS[name], text)


def test_a_space_survives_its_row() -> None:
    stored: dict[str, Any] = {"dropout": "0 .. 0.5", "filters": "16,32|32,64", "learning_rate": {"low": 0.1, "high": 1}}
    space = read_space(stored, CNN)

    assert from_dict(to_dict(space)) == space


def test_a_combination_is_found_again_in_its_config() -> None:
    values = {"filters": "16,32", "dropout": 0.25, "augmentation": "", "batch_normalization": False}

    config = combined(CNN, values)

    assert values_in(config.to_dict(), list(values)) == values


def test_a_setting_is_searched_with_what_it_goes_with() -> None:
    check_possible(read_space({"momentum": "0.5 .. 0.9", "optimizer": "adam | momentum"}, CNN), CNN)

    with pytest.raises(WrongConfig, match="momentum changes nothing beside the other settings"):
        check_possible(read_space({"momentum": "0.5 .. 0.9"}, CNN), CNN)
