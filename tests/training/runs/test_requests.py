"""A request for a run is read the same way wherever it comes from."""

from __future__ import annotations

import pytest

from training.config import TrainingConfig
from training.config.presets import MIRRORING, PRESETS, preset_config, without_mirroring
from training.errors import WrongConfig
from training.models import Recognizer
from training.runs.requests import RunRequest


def test_without_a_preset_the_network_has_its_own_defaults(recognizer: Recognizer) -> None:
    request = RunRequest.of(recognizer, network="cnn", settings={"epochs": "3"})

    assert request == RunRequest(TrainingConfig.for_network("cnn", {"epochs": 3}))


def test_nothing_asked_for_is_the_usual_network(recognizer: Recognizer) -> None:
    assert RunRequest.of(recognizer) == RunRequest(TrainingConfig.for_network("efficientnetlite0"))


def test_a_preset_without_a_network_leaves_it_to_a_race(recognizer: Recognizer) -> None:
    request = RunRequest.of(recognizer, preset="quick", settings={"seed": 7})

    assert (request.preset, request.is_network_open, request.config.seed) == ("quick", True, 7)


def test_a_preset_of_a_network_may_be_changed(recognizer: Recognizer) -> None:
    request = RunRequest.of(recognizer, preset="thorough", network="cnn", settings={"batch_size": 8})

    assert request == RunRequest(preset_config("thorough", "cnn").changed({"batch_size": 8}), "thorough")


def test_what_means_nothing_beside_a_chosen_setting_gives_way(recognizer: Recognizer) -> None:
    assert preset_config("thorough", "cnn").label_smoothing > 0

    request = RunRequest.of(recognizer, preset="thorough", network="cnn", settings={"loss": "mean_squared_error"})

    assert request.config.label_smoothing == 0


def test_a_chosen_setting_is_kept_even_where_it_means_nothing(recognizer: Recognizer) -> None:
    request = RunRequest.of(recognizer, network="cnn", settings={"optimizer": "adam", "momentum": "0.5"})

    assert request.config.momentum == 0.5


def test_settings_are_read_before_it_is_asked_what_they_mean(recognizer: Recognizer) -> None:
    settings = {"augmentation": "zoom,shear", "augmentation_strength": "2", "pretrained": "true", "fine_tune": "whole"}

    config = RunRequest.of(recognizer, network="mobilenetv2", settings=settings).config

    assert (config.augmentation_strength, config.fine_tune) == (2, "whole")


def test_what_the_race_settles_cannot_be_set(recognizer: Recognizer) -> None:
    with pytest.raises(WrongConfig, match="image_size is settled when the network is chosen"):
        RunRequest.of(recognizer, preset="quick", settings={"image_size": 64})


def test_settings_of_earlier_releases_are_passed_over(recognizer: Recognizer) -> None:
    assert RunRequest.of(recognizer, network="mlp", settings={"test_share": 0.2}) == RunRequest.of(
        recognizer, network="mlp"
    )


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("network", ["cnn", "mobilenetv2", ""])
def test_no_preset_flips_what_may_not_be_mirrored(recognizer: Recognizer, preset: str, network: str) -> None:
    recognizer.is_mirror_safe = False

    request = RunRequest.of(recognizer, preset=preset, network=network)

    assert not MIRRORING.intersection(request.config.augmentation)


@pytest.mark.parametrize("flip", sorted(MIRRORING))
def test_a_flip_of_what_may_not_be_mirrored_is_refused_with_the_reason(recognizer: Recognizer, flip: str) -> None:
    recognizer.is_mirror_safe = False

    with pytest.raises(WrongConfig, match="mirrored picture of this recognizer shows something else") as refused:
        RunRequest.of(recognizer, network="cnn", settings={"augmentation": flip})

    assert refused.value.params["name"] == "augmentation"


def test_a_flip_is_welcome_where_nothing_speaks_against_it(recognizer: Recognizer) -> None:
    assert "flip" in RunRequest.of(recognizer, network="cnn", settings={"augmentation": "flip"}).config.augmentation


def test_only_the_flips_are_taken_out() -> None:
    config = TrainingConfig.for_network("cnn", {"augmentation": ("flip", "zoom", "vertical_flip")})

    assert without_mirroring(config).augmentation == ("zoom",)
