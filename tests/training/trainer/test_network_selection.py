from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tests.drawings import kept_drawings
from training.config import TrainingConfig
from training.data.manifest import make_manifest
from training.messages import say

pytestmark = pytest.mark.keras

PRETRAINED = TrainingConfig.for_network("mobilenetv2", {"image_size": 160})
SCRATCH = TrainingConfig.for_network("cnn", {"image_size": 48})


@pytest.mark.parametrize(
    ("pretrained", "scratch", "chosen"),
    [(0.85, 0.5, "mobilenetv2"), (0.5, 0.97, "cnn"), (0.9, 0.9, "mobilenetv2"), (math.nan, 0.3, "cnn")],
)
def test_the_better_network_is_chosen_and_a_draw_goes_to_the_pretrained_one(
    pretrained: float, scratch: float, chosen: str
) -> None:
    from training.trainer.network_selection import Candidate, settle

    config, why = settle(Candidate(PRETRAINED, pretrained, 160), Candidate(SCRATCH, scratch, 32), 250)

    assert config.network == chosen
    assert say(why).startswith(f"{chosen} was chosen")


def test_the_reason_names_what_each_network_came_to() -> None:
    from training.trainer.network_selection import Candidate, settle

    _, why = settle(Candidate(PRETRAINED, 0.531, 160), Candidate(SCRATCH, 0.97, 32), 250)

    assert say(why) == (
        "cnn was chosen: tried on 250 pictures to choose by, it got 97.0 % right at 32 pixels, "
        "mobilenetv2 53.1 % at 160."
    )


@pytest.mark.parametrize(
    ("said", "mirrored", "is_flipped"),
    [(None, 0.6, False), (None, 0.89, True), (None, math.nan, True), (True, 0.6, True), (False, 0.9, False)],
)
def test_pictures_are_flipped_where_a_mirror_costs_little_unless_a_person_said_so(
    said: bool | None, mirrored: float, is_flipped: bool
) -> None:
    from training.trainer.network_selection import FrozenAccuracies, as_mirrors_allow

    config = as_mirrors_allow(PRETRAINED, said, FrozenAccuracies(0.9, mirrored, 0.2))

    assert ("flip" in config.augmentation) == is_flipped


@pytest.mark.parametrize(
    ("said", "upside_down", "is_turned"),
    [(None, 0.86, True), (None, 0.8, False), (None, math.nan, False), (True, 0.9, True), (False, 0.9, False)],
)
def test_pictures_are_turned_upside_down_where_that_costs_little(
    said: bool | None, upside_down: float, is_turned: bool
) -> None:
    from training.trainer.network_selection import FrozenAccuracies, as_mirrors_allow

    config = as_mirrors_allow(PRETRAINED, said, FrozenAccuracies(0.9, 0.9, upside_down))

    assert ("vertical_flip" in config.augmentation) == is_turned


def test_what_is_never_flipped_is_not_turned_upside_down_either() -> None:
    from training.trainer.network_selection import FrozenAccuracies, as_mirrors_allow

    config = as_mirrors_allow(PRETRAINED.changed({"augmentation": ("zoom",)}), None, FrozenAccuracies(0.9, 0.9, 0.9))

    assert config.augmentation == ("zoom",)


@pytest.mark.parametrize(
    ("upside_down", "rate", "learns_to_normalize"), [(0.86, 1e-3, True), (0.6, 2e-4, False), (math.nan, 5e-4, True)]
)
def test_what_is_unlike_imagenet_is_fine_tuned_further(
    upside_down: float, rate: float, learns_to_normalize: bool
) -> None:
    from training.config.presets import preset_config
    from training.trainer.network_selection import FrozenAccuracies, fine_tuned_as_far_as_fits

    usual = preset_config("balanced", "mobilenetv2")
    config = fine_tuned_as_far_as_fits(usual, FrozenAccuracies(0.9, 0.9, upside_down))

    assert (config.fine_tune_learning_rate, config.fine_tune_batch_norm) == (rate, learns_to_normalize)


def test_where_nothing_is_fine_tuned_all_stays() -> None:
    from training.config.presets import preset_config
    from training.trainer.network_selection import FrozenAccuracies, fine_tuned_as_far_as_fits

    config = preset_config("quick", "mobilenetv2")

    assert fine_tuned_as_far_as_fits(config, FrozenAccuracies(0.9, 0.9, 0.9)) == config


def test_the_classifier_on_frozen_features_says_what_it_said_before_scikit_learn_scaled_them() -> None:
    from sklearn.linear_model import LogisticRegression

    from training.trainer.network_selection import REGULARIZATION, fitted_head

    rng = np.random.default_rng(1)
    labels = np.arange(90, dtype=np.int32) % 3
    features = (rng.normal(size=(90, 20)) * 3 + labels[:, None] + 5).astype(np.float32)
    features[:, 3] = 7  # tells nothing
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6  # the formula of earlier releases
    before = LogisticRegression(C=REGULARIZATION, max_iter=300).fit((features - mean) / spread, labels)

    head = fitted_head(features, labels)

    expected = before.predict_proba((features - mean) / spread)
    assert head.predict_proba(features) == pytest.approx(expected, abs=1e-4)


def test_a_network_from_scratch_is_tried_for_several_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.trainer import network_selection

    monkeypatch.setattr(network_selection, "FROM_SCRATCH_EPOCHS", 3)
    pictures = make_manifest(tmp_path, kept_drawings(tmp_path, 20))
    config = SCRATCH.changed({"filters": (4, 8), "convolutions": 1, "batch_size": 4})

    assert network_selection.scratch_accuracy(pictures, config, tmp_path) >= 0.5
