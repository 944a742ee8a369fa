from __future__ import annotations

from dataclasses import fields

import pytest

from training.config import TrainingConfig
from training.config.choices import FROM_SCRATCH, NETWORKS
from training.config.presets import BALANCED, HELP, PRESETS, QUICK, THOROUGH, preset_config
from training.config.values import is_relevant
from training.errors import WrongConfig


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_preset_fits_every_network(preset: str, network: str) -> None:
    config = preset_config(preset, network)

    assert config.network == network
    assert HELP[preset].endswith(".")


@pytest.mark.parametrize("network", FROM_SCRATCH)
def test_a_more_thorough_preset_goes_on_longer(network: str) -> None:
    epochs = [preset_config(preset, network).epochs for preset in (QUICK, BALANCED, THOROUGH)]

    assert epochs == sorted(set(epochs))


@pytest.mark.parametrize("network", ["mlp", "lenet5", "cnn"])
def test_no_preset_flips_small_simple_pictures(network: str) -> None:
    assert not {"flip", "vertical_flip"} & set(preset_config(BALANCED, network).augmentation)


def test_more_pictures_need_fewer_epochs() -> None:
    epochs = [preset_config(THOROUGH, "cnn", num_pictures=count).epochs for count in (100, 1_000, 10_000, 10**6)]

    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] == epochs[1] > epochs[2] > epochs[3] >= 1


def test_few_pictures_are_seen_more_often() -> None:
    few, usual = (preset_config(THOROUGH, "mobilenetv2", num_pictures=count) for count in (200, 2_000))

    assert few.epochs == 2 * usual.epochs


@pytest.mark.parametrize("network", [*FROM_SCRATCH, "efficientnetlite2"])
def test_the_last_quarter_of_the_epochs_learns_from_the_pictures_to_choose_by(network: str) -> None:
    config = preset_config(BALANCED, network, num_pictures=1_000)

    assert config.final_epochs == round(config.epochs / 4) > 0


@pytest.mark.parametrize("preset", PRESETS)
def test_of_networks_side_by_side_the_last_layer_is_found_at_once(preset: str) -> None:
    config = preset_config(preset, "efficientnetlite0and2", num_pictures=200)

    assert (config.linear_probe, config.fine_tune, config.epochs) == (True, "none", 1)


def test_what_learns_from_scratch_is_not_shown_enlarged_pictures() -> None:
    sizes = [preset_config(THOROUGH, "cnn", side=side).image_size for side in (0, 5, 28, 33, 480)]

    assert sizes == [48, 32, 32, 40, 48]
    assert (
        preset_config(THOROUGH, "mobilenetv2", side=28).image_size == preset_config(THOROUGH, "mobilenetv2").image_size
    )


def test_a_preset_sets_nothing_that_means_nothing_beside_the_rest() -> None:
    for network in FROM_SCRATCH:
        config, own = preset_config(BALANCED, network), TrainingConfig.for_network(network)
        changed = [each for each in fields(config) if getattr(config, each.name) != getattr(own, each.name)]

        assert all(is_relevant(each, config) for each in changed)


@pytest.mark.parametrize(("preset", "network"), [("slow", "cnn"), ("quick", "alexnet")])
def test_an_unknown_name_is_refused_with_the_known_ones(preset: str, network: str) -> None:
    with pytest.raises(WrongConfig, match=r"There are: (quick|mlp)"):
        preset_config(preset, network)
