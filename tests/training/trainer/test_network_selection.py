from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.drawings import kept_drawings
from training.config import TrainingConfig
from training.data.manifest import Entry, Manifest, make_manifest
from training.errors import WeightsNotFound
from training.messages import N_, say
from training.results.candidate import Candidate
from training.trainer.feature_file import FeatureFile

pytestmark = pytest.mark.keras

PRETRAINED = TrainingConfig.for_network("mobilenetv2", {"image_size": 160})
SCRATCH = TrainingConfig.for_network("cnn", {"image_size": 48})


class Told:
    """Keeps what it is told of the candidates."""

    def __init__(self) -> None:
        self.states: list[dict[str, Candidate]] = []

    def __call__(self, candidates: list[Candidate]) -> None:
        self.states.append({each.network: each for each in candidates})


@pytest.fixture
def pictures(tmp_path: Path) -> Manifest:
    return make_manifest(tmp_path, kept_drawings(tmp_path, 40))


def trials_of(pictures: Manifest, folder: Path, accuracies: dict[str, float | None], told: Told | None = None) -> Any:
    """Trials that have come to these accuracies; None stands for weights that were not there."""
    from training.trainer.network_selection import Trials

    trials = Trials(pictures, folder, told or Told())
    trials.candidates = {name: Candidate(name, "done", 1.0, accuracy) for name, accuracy in accuracies.items()}
    return trials


@pytest.mark.parametrize(
    ("accuracies", "is_tuned", "chosen"),
    [
        ({"efficientnetlite0": 0.85, "efficientnetlite2": 0.87, "cnn": 0.5}, True, "efficientnetlite2"),
        ({"efficientnetlite0": 0.5, "cnn": 0.97}, True, "cnn"),
        ({"efficientnetlite0": 0.9, "cnn": 0.9}, False, "efficientnetlite0"),
        ({"efficientnetlite0": 0.9, "efficientnetlite0and2": 0.93}, False, "efficientnetlite0and2"),
        ({"efficientnetlite0": 0.9, "efficientnetlite0and2": 0.93}, True, "efficientnetlite0"),
        ({"efficientnetlite0": 0.9, "efficientnetlite0and2": 0.904}, False, "efficientnetlite0"),
        ({"efficientnetlite0": None, "cnn": 0.3}, True, "cnn"),
        ({"efficientnetlite0": None}, True, "cnn"),
    ],
)
def test_the_most_accurate_network_is_chosen_and_a_pair_where_it_is_worth_its_time(
    accuracies: dict[str, float | None], is_tuned: bool, chosen: str, pictures: Manifest, tmp_path: Path
) -> None:
    assert trials_of(pictures, tmp_path, accuracies).best(is_tuned=is_tuned) == chosen


@pytest.mark.parametrize(
    ("accuracies", "companion"),
    [
        ({"efficientnetlite0": 0.9, "efficientnetlite2": 0.88, "efficientnetlite0and2": 0.91}, "efficientnetlite2"),
        ({"efficientnetlite0": 0.9, "efficientnetlite2": 0.88, "efficientnetlite0and2": 0.904}, "none"),
        ({"efficientnetlite0": 0.9, "mobilenetv2andlite2": 0.95}, "none"),
        ({"efficientnetlite0": 0.9}, "none"),
    ],
)
def test_a_second_network_stands_beside_a_fine_tuned_one_where_both_see_more(
    accuracies: dict[str, float | None], companion: str, pictures: Manifest, tmp_path: Path
) -> None:
    assert trials_of(pictures, tmp_path, accuracies).companion_of("efficientnetlite0") == companion


def test_the_reason_names_a_companion(pictures: Manifest, tmp_path: Path) -> None:
    trials = trials_of(pictures, tmp_path, {"efficientnetlite0": 0.5, "efficientnetlite2": 0.6})

    assert say(trials.reason("efficientnetlite2", "efficientnetlite0")) == (
        "efficientnetlite2 was chosen: tried on 68 pictures, it got 60.0 % of those right that it had not learned "
        "from. efficientnetlite0 answers beside it. The others, in %: efficientnetlite0 50.0."
    )


def test_the_reason_names_what_each_network_came_to(pictures: Manifest, tmp_path: Path) -> None:
    trials = trials_of(pictures, tmp_path, {"efficientnetlite0": 0.531, "efficientnetlite2": 0.6, "cnn": 0.97})

    assert say(trials.reason("cnn")) == (
        "cnn was chosen: tried on 68 pictures, it got 97.0 % of those right that it had not learned from. "
        "The others, in %: efficientnetlite0 53.1, efficientnetlite2 60.0."
    )


@pytest.mark.parametrize(
    ("num_pictures", "num_classes", "has_few"), [(79, 2, True), (80, 2, False), (999, 43, True), (1000, 43, False)]
)
def test_fine_tuning_needs_pictures(num_pictures: int, num_classes: int, has_few: bool) -> None:
    from training.trainer import network_selection

    entries = [Entry(str(number), str(number), 0, "train") for number in range(num_pictures)]
    names = [str(number) for number in range(num_classes)]

    assert network_selection.has_few(Manifest("", names, entries)) == has_few


@pytest.mark.parametrize(("num_pictures", "has_few"), [(299, True), (300, False)])
def test_fine_tuning_needs_more_pictures_where_they_are_like_imagenets(num_pictures: int, has_few: bool) -> None:
    from training.trainer import network_selection

    entries = [Entry(str(number), str(number), 0, "train") for number in range(num_pictures)]

    assert network_selection.has_few_like_imagenet(Manifest("", ["cat", "dog"], entries)) == has_few


@pytest.mark.parametrize(
    ("upside_down", "network", "is_tuned"),
    [(0.5, "efficientnetlite0and2", False), (0.88, "efficientnetlite0", True)],
)
def test_few_pictures_like_imagenets_are_left_to_the_frozen_networks(
    upside_down: float,
    network: str,
    is_tuned: bool,
    pictures: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.trainer import network_selection
    from training.trainer.network_selection import FrozenAccuracies, Trials, select_network

    found = {"efficientnetlite0": 0.9, "efficientnetlite2": 0.85, "efficientnetlite0and2": 0.92, "cnn": 0.3}
    monkeypatch.setattr(network_selection, "FEW_OF_A_CLASS", 10)

    def accuracy_of(trials: Trials, name: str) -> float:
        trials.seconds[name] = 0.01
        return found[name]

    monkeypatch.setattr(Trials, "_accuracy_of", accuracy_of)
    monkeypatch.setattr(Trials, "flipped", lambda *_: FrozenAccuracies(0.9, 0.9, upside_down))
    monkeypatch.setattr(network_selection, "names_to_try", lambda *_: list(found))

    config, _ = select_network(pictures, PRETRAINED, "balanced", cache_folder=tmp_path)

    assert (config.network, config.tunes_its_backbone) == (network, is_tuned)
    assert config.companion == ("efficientnetlite2" if is_tuned else "none")


def test_where_no_weights_are_there_a_network_from_scratch_is_taken_untried(pictures: Manifest, tmp_path: Path) -> None:
    told = Told()
    trials = trials_of(pictures, tmp_path, {"efficientnetlite0": None}, told)

    trials.choose(trials.best(is_tuned=True))

    assert say(trials.reason("cnn")) == "cnn was chosen: no other network is at hand."
    assert told.states[-1]["cnn"].is_chosen


@pytest.mark.parametrize(
    ("preset", "num_pictures", "tried"),
    [
        ("balanced", 3000, ["efficientnetlite0", "efficientnetlite2", "efficientnetlite0and2", "cnn"]),
        ("balanced", 60, ["efficientnetlite0", "efficientnetlite2", "efficientnetlite0and2"]),
        ("quick", 3000, ["efficientnetlite0", "cnn"]),
        ("quick", 2000, ["efficientnetlite0", "efficientnetlite2", "cnn"]),
        ("quick", 1500, ["efficientnetlite0", "efficientnetlite2", "efficientnetlite0and2", "cnn"]),
    ],
)
def test_what_is_at_hand_is_tried_as_far_as_the_time_goes(
    preset: str, num_pictures: int, tried: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from training.trainer.network_selection import names_to_try

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))  # without MobileNetV2's weights

    class Counted:
        def count(self, split: str) -> int:
            return {"train": num_pictures - num_pictures // 6, "validation": num_pictures // 6}[split]

    assert names_to_try(Counted(), preset) == tried  # type: ignore[arg-type]


@pytest.mark.parametrize(("good_enough", "state"), [(0.8, "left_out"), (0.9, "done"), (math.inf, "done")])
def test_the_one_from_scratch_is_left_out_where_another_is_good_enough(
    good_enough: float, state: str, pictures: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = trials_of(pictures, tmp_path, {})
    monkeypatch.setattr(trials, "_accuracy_of", {"efficientnetlite0": 0.85, "cnn": 0.3}.__getitem__)
    config = TrainingConfig.for_network("efficientnetlite0")

    trials.try_all(["efficientnetlite0", "cnn"], lambda _: config, good_enough)

    assert trials.candidates["cnn"].state == state
    assert trials.best(is_tuned=False) == "efficientnetlite0"


def test_each_candidate_is_tried_and_seen_to_be(
    pictures: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainer import network_selection

    def small(config: TrainingConfig, num_classes: int) -> Any:
        """Stands for networks that take seconds to build; those named Lite2 see the colours in another order."""
        import keras
        from keras import layers

        if config.network == "mobilenetv2":
            raise WeightsNotFound(N_("There is none."))
        pixels = keras.Input((config.image_size, config.image_size, 3))
        seen = layers.Identity(name="feature_maps")(layers.AveragePooling2D(8)(pixels))
        seen = layers.Flatten(name="features")(seen)
        return keras.Model(pixels, layers.Dense(num_classes, name="probabilities")(seen))

    monkeypatch.setattr("training.networks.build", small)
    monkeypatch.setattr("training.trainer.backbone_features.knows", lambda _: False)
    monkeypatch.setattr(network_selection, "scratch_accuracy", lambda *_: 0.4)
    monkeypatch.setattr(network_selection, "TELL_SECONDS", 0)
    names = ["efficientnetlite0", "mobilenetv2", "efficientnetlite2", "efficientnetlite0and2", "cnn"]
    told, config = Told(), TrainingConfig.for_network("efficientnetlite0", {"image_size": 32})
    trials = network_selection.Trials(pictures, tmp_path, told)

    alone = ("efficientnetlite0", "efficientnetlite2", "mobilenetv2")
    trials.try_all(names, lambda name: config.changed({"network": name}) if name in alone else config)
    trials.choose("efficientnetlite2")

    assert [list(state) for state in told.states[:1]] == [names]
    assert [each.state for each in told.states[0].values()] == ["works", *["waits"] * 4]
    last = told.states[-1]
    assert {name: each.state for name, each in last.items()} == {
        **dict.fromkeys(names, "done"),
        "mobilenetv2": "left_out",
    }
    assert last["efficientnetlite0"].accuracy == last["efficientnetlite2"].accuracy
    assert 0.5 < (last["efficientnetlite0"].accuracy or 0) <= 1  # better than chance: squares and circles
    assert last["cnn"].accuracy == 0.4
    assert [name for name, each in last.items() if each.is_chosen] == ["efficientnetlite2"]
    assert any(0 < state["efficientnetlite0"].done < 1 for state in told.states)
    assert trials.features["efficientnetlite0and2"].shape[1] == 2 * trials.features["efficientnetlite0"].shape[1]
    handed_on = FeatureFile.of(config.changed({"network": "efficientnetlite2"}), tmp_path).read()
    assert sorted(handed_on) == sorted(entry.sha256 for entry in pictures.entries if entry.split != "test")


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


@pytest.mark.parametrize(("seconds_an_epoch", "epochs", "final"), [(1, 12, 3), (20, 10, 2), (1000, 5, 1)])
def test_fine_tuning_takes_no_longer_than_its_preset_promises(seconds_an_epoch: float, epochs: int, final: int) -> None:
    from training.config.presets import preset_config
    from training.trainer.network_selection import no_longer_than

    config = no_longer_than(200, preset_config("balanced", "efficientnetlite2"), seconds_an_epoch)

    assert (config.epochs, config.final_epochs) == (epochs, final)


def test_where_nothing_is_fine_tuned_all_stays() -> None:
    from training.config.presets import preset_config
    from training.trainer.network_selection import FrozenAccuracies, fine_tuned_as_far_as_fits

    config = preset_config("quick", "mobilenetv2")

    assert fine_tuned_as_far_as_fits(config, FrozenAccuracies(0.9, 0.9, 0.9)) == config


def test_a_network_from_scratch_is_tried_for_several_epochs(
    pictures: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.trainer import network_selection

    monkeypatch.setattr(network_selection, "FROM_SCRATCH_EPOCHS", 3)
    config = SCRATCH.changed({"filters": (4, 8), "convolutions": 1, "batch_size": 4})

    told: list[Any] = []

    assert network_selection.scratch_accuracy(pictures, config, tmp_path, lambda *word: told.append(word)) >= 0.5
    assert [round(done, 3) for done, _, _ in told] == [0.333, 0.667, 1]
    assert [accuracy for _, _, accuracy in told] == sorted(accuracy for _, _, accuracy in told)
