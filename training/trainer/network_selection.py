"""Which network suits a recognizer's pictures: each that is at hand is tried on them.

What ImageNet has taught is worth most where pictures are photographs of things; signs, digits and letters are learned
better from scratch, from small pictures. Which it is shows in a minute: pretrained networks by a linear probe under
k-fold, the one from scratch by some epochs.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from training.config import TrainingConfig
from training.config.choices import PAIRS, companions_of
from training.config.presets import BALANCED, QUICK, THOROUGH, final_of, preset_config, without_mirroring
from training.config.pretrained_weights import are_at_hand
from training.config.schedules import Phase
from training.data.images import Pixels
from training.data.manifest import Manifest
from training.data.splitting import Split
from training.data.subsets import subset
from training.errors import WeightsNotFound
from training.messages import N_, Sentence
from training.results.candidate import Candidate
from training.trainer.acceleration import has_bfloat16
from training.trainer.backbone_features import Part, frozen_features
from training.trainer.distribution import distribution_scope, prepare_device
from training.trainer.feature_file import FeatureFile
from training.trainer.input_pipeline import blocks, decoded, shuffled
from training.trainer.linear_probe import LinearProbe, find_probe
from training.trainer.phases import PhaseSetup, start_afresh

MOST_PICTURES: dict[Split, int] = {"train": 1200, "validation": 400}
MOST_PICTURES_OF_QUICK: dict[Split, int] = {"train": 450, "validation": 150}
ALONE = ("efficientnetlite0", "efficientnetlite2", "mobilenetv2")  # those that are at hand are tried, in this order
FROM_SCRATCH = "cnn"
# With fewer pictures of a class to learn from, fine-tuning brings nothing, and two networks side by side the most:
# of 20 a class of garbage and eye grounds 0.798 and 0.720 after fine-tuning Lite0, 0.795 and 0.723 before.
FEW_OF_A_CLASS = 40  # on the average
ENOUGH = 1000  # pictures, of however many classes
# What resembles ImageNet's own pictures gains less by fine-tuning. From 112 a class the frozen features were better of
# animals, birds, flowers, gemstones, maize, pets and vehicles; of pets from 42 by 2 points, from 236 worse by 1.
FEW_LIKE_IMAGENET = 150  # of a class, on the average
GAIN_OF_A_PAIR = 0.005  # of the accuracy, that it must bring for taking twice as long
# Pictures that the quick preset has time for, by what each of them takes
QUICK_PICTURES = {"efficientnetlite0": math.inf, "mobilenetv2": math.inf, "efficientnetlite2": 2500}
QUICK_PICTURES_OF_A_PAIR = 1500
FINE_TUNING_SECONDS = {BALANCED: 200.0, THOROUGH: 900.0}  # what it may take
# How many times as long it needs for a picture as an answer does, by whether the processor multiplies in 16 bits
FINE_TUNING_COSTS = {True: 2.5, False: 4.5}
FEWEST_EPOCHS = 5  # of fine-tuning, its linear probe the first
# Of the accuracy: where a pretrained network reaches it, the quick preset has no time for the one from scratch
GOOD_ENOUGH = 0.8
SCRATCH_PICTURES = 100  # with fewer, nothing is learned from scratch that is worth trying
FROM_SCRATCH_SECONDS = 30.0  # of learning; reading and tracing come on top
FROM_SCRATCH_EPOCHS = 12  # at most
# What shows in few epochs how well a network could learn: of traffic signs 0.76 of the validation pictures after 12,
# and in the same time 0.27 after 8 with the settings of a long training.
SPRINT: dict[str, Any] = {
    "image_size": 32,
    "augmentation_strength": 0.4,
    "dropout": 0,
    "label_smoothing": 0,
    "weight_averaging": 0,
}
MIRROR_COSTS = 0.03  # of the accuracy, from which on a mirrored picture counts as showing something else
UPSIDE_DOWN_COSTS = 0.05  # likewise; measured: eye grounds 0.04, rubbish 0.02, rice leaves none, cats and dogs 0.3
# How to fine-tune on pictures like those that the pretrained weights have learned from, and on others. Measured, of the
# held-out pictures: cats and dogs 0.76 right as the first says, but at 5e-4, 0.71 as the second; eye grounds 0.85 and
# 0.89. At 2e-4 the validation loss of cats and dogs was lower than at 5e-4 and at 1e-4.
LIKE_IMAGENET = {"fine_tune_learning_rate": 2e-4, "fine_tune_batch_norm": False, "weight_averaging": 0.98}
UNLIKE_IMAGENET = {"fine_tune_learning_rate": 1e-3}
AT_A_TIME = 32  # pictures, between two words on how far it is
TELL_SECONDS = 1.0  # between two of them at least

log = logging.getLogger(__name__)

Watch = Callable[[list[Candidate]], object]


def _unwatched(*_: object) -> None:
    """Where nobody wants to know how far it is."""


class FrozenAccuracies(NamedTuple):
    """What a logistic regression on frozen features gets right of the validation pictures, as they are and flipped."""

    plain: float
    mirrored: float
    upside_down: float

    @property
    def have_no_upright(self) -> bool:
        """Whether the pictures show as much upside down, as few photographs do that ImageNet is made of."""
        return self.plain - self.upside_down <= UPSIDE_DOWN_COSTS


def flipped_accuracies(
    probe: LinearProbe, part: Part, pixels: Pixels, seen: NDArray[np.float32], labels: NDArray[np.int32]
) -> FrozenAccuracies:
    """What a linear probe gets right of pictures, and of the same ones flipped.

    Args:
        seen: (n, width) what the part makes of the pictures as they are.
    """

    def accuracy(features: NDArray[np.float32]) -> float:
        return float((probe.answers(features).argmax(axis=1) == labels).mean())

    mirrored, upside_down = (
        accuracy(part(np.ascontiguousarray(flipped))) for flipped in (pixels[:, :, ::-1], pixels[:, ::-1])
    )
    return FrozenAccuracies(accuracy(seen), mirrored, upside_down)


def select_network(
    manifest: Manifest,
    config: TrainingConfig,
    preset: str,
    *,
    cache_folder: Path,
    side: int = 0,
    is_mirror_safe: bool | None = None,
    watch: Watch = _unwatched,
) -> tuple[TrainingConfig, Sentence]:
    """Pick a network and say why.

    Args:
        config: its seed and precision are kept.
        preset: whose settings the chosen one gets.
        cache_folder: the run's own, where conversions and what the chosen one has computed are left to its training.
        side: the smaller one of the pictures on the average, in pixels; 0 where it is not known.
        is_mirror_safe: whether a mirrored picture shows the same; None to see for itself, where it matters.
        watch: is told how far each candidate is, now and then. It may raise to end it all.
    Raises: UnreadablePicture if a kept file is damaged.
    """
    start_afresh(config.seed)
    device = prepare_device(config.precision)
    kept = {"seed": config.seed, "precision": config.precision}
    is_tuned = preset != QUICK and not has_few(manifest)

    def settings(name: str) -> TrainingConfig:
        return settings_of(name, manifest, preset, side).changed(kept)

    trials = Trials(pictures_tried(manifest, preset), cache_folder, watch)
    with distribution_scope(device, 1):
        trials.try_all(names_to_try(manifest, preset), settings, GOOD_ENOUGH if preset == QUICK else math.inf)
        name = trials.best(is_tuned=is_tuned)
        chosen = settings(name)
        accuracies = trials.flipped(name) if chosen.tunes_its_backbone else None
        if accuracies is not None and not accuracies.have_no_upright and has_few_like_imagenet(manifest):
            name, accuracies = trials.best(is_tuned=False), None
            chosen = settings(name) if name == FROM_SCRATCH else as_it_is(settings(name))
        if accuracies is not None:
            chosen = fine_tuned_as_far_as_fits(as_mirrors_allow(chosen, is_mirror_safe, accuracies), accuracies)
            an_epoch = trials.seconds[name] * FINE_TUNING_COSTS[has_bfloat16()] * manifest.count("train")
            chosen = no_longer_than(FINE_TUNING_SECONDS[preset], chosen, an_epoch)
            chosen = chosen.changed({"companion": trials.companion_of(name)})
        elif is_mirror_safe is False:
            chosen = without_mirroring(chosen)
    trials.choose(name, chosen.companion)
    return chosen, trials.reason(name, chosen.companion)


def pictures_tried(manifest: Manifest, preset: str) -> Manifest:
    """As many as the preset has time for."""
    return subset(manifest, MOST_PICTURES_OF_QUICK if preset == QUICK else MOST_PICTURES)


def settings_of(name: str, manifest: Manifest, preset: str, side: int = 0) -> TrainingConfig:
    """What a candidate would be trained with: of a pretrained one, only its last layer where pictures are few."""
    of_preset = QUICK if name != FROM_SCRATCH and has_few(manifest) else preset
    return preset_config(of_preset, name, num_pictures=manifest.count("train"), side=side)


def names_to_try(manifest: Manifest, preset: str) -> list[str]:
    """The networks that are at hand, and that the preset has time for; the one from scratch last."""
    num_pictures = manifest.count("train") + manifest.count("validation")
    sizes = {name: preset_config(preset, name).image_size for name in (*ALONE, *PAIRS)}
    alone = [name for name in ALONE if are_at_hand(name, sizes[name])]
    pairs = [name for name in PAIRS if are_at_hand(name, sizes[name])]
    if preset == QUICK:
        alone = [name for name in alone if num_pictures <= QUICK_PICTURES[name]]
        pairs = pairs if num_pictures <= QUICK_PICTURES_OF_A_PAIR else []
    is_enough = manifest.count("train") >= SCRATCH_PICTURES and manifest.count("validation")
    return [*alone, *pairs, *([FROM_SCRATCH] if is_enough or not alone else [])]


def has_few(manifest: Manifest) -> bool:
    """Whether there are too few pictures to learn from for fine-tuning to bring anything."""
    return manifest.count("train") < min(FEW_OF_A_CLASS * len(manifest.class_names), ENOUGH)


def has_few_like_imagenet(manifest: Manifest) -> bool:
    """The same where the pictures are like those that the pretrained weights have learned from."""
    return manifest.count("train") < FEW_LIKE_IMAGENET * len(manifest.class_names)


def as_it_is(config: TrainingConfig) -> TrainingConfig:
    """The network of a config with nothing but its last layer to learn."""
    kept = {"seed": config.seed, "precision": config.precision, "image_size": config.image_size}
    return preset_config(QUICK, config.network).changed(kept)


class Trials:
    """The candidates on some pictures, one after the other."""

    def __init__(self, some: Manifest, folder: Path, watch: Watch) -> None:
        self.some, self.folder, self.watch = some, folder, watch
        self.labels, self.groups, self.num_classes = some.labels(), some.groups(), len(some.class_names)
        self.seen = np.sort(np.concatenate([some.positions("train"), some.positions("validation")]))
        self.computed: dict[tuple[str, int], NDArray[np.float32]] = {}  # by backbone and image size
        self.features: dict[str, NDArray[np.float32]] = {}  # (len(self.seen), width) by candidate
        self.parts: dict[str, Part] = {}
        self.seconds: dict[str, float] = {}  # that a picture takes, by network
        self.configs: dict[str, TrainingConfig] = {}
        self.candidates: dict[str, Candidate] = {}
        self.told = -math.inf

    def try_all(
        self, names: list[str], config_of: Callable[[str], TrainingConfig], good_enough: float = math.inf
    ) -> None:
        """One after the other; the one from scratch only where none before it was good enough."""
        self.configs = {name: config_of(name) for name in names}
        self.candidates = {name: Candidate(name) for name in names}
        for name in names:
            if name == FROM_SCRATCH and max(self._accuracies().values(), default=0.0) >= good_enough:
                self._tell(Candidate(name, "left_out"))
                continue
            self._advance(name, 0.0, math.nan)
            try:
                accuracy = self._accuracy_of(name)
            except WeightsNotFound as error:
                log.warning("%s", error)
                self._tell(Candidate(name, "left_out"))
            else:
                log.info("%s: %.4f right", name, accuracy)
                self._tell(Candidate(name, "done", 1.0, accuracy, 0.0))

    def best(self, *, is_tuned: bool) -> str:
        """The most accurate one; a pair only where it is not to be fine-tuned, and worth its time.

        At a draw with the one from scratch it is the pretrained one, which fine-tuning is still to improve.
        """
        known = self._accuracies()
        if not known:
            return FROM_SCRATCH

        def worth(name: str) -> float:
            return known[name] - (GAIN_OF_A_PAIR if name in PAIRS else 0.0)

        return max((name for name in known if not (is_tuned and name in PAIRS)), key=worth)

    def companion_of(self, name: str) -> str:
        """The network whose view beside this one's is worth its time; "none" where there is none."""
        known = self._accuracies()
        beside = {other: known[pair] for other, pair in companions_of(name).items() if pair in known}
        worth_it = {other: each for other, each in beside.items() if each >= known[name] + GAIN_OF_A_PAIR}
        return max(worth_it, key=lambda other: worth_it[other], default="none")

    def _accuracies(self) -> dict[str, float]:
        """What each has come to that has been tried."""
        return {name: each.accuracy for name, each in self.candidates.items() if each.accuracy is not None}

    def choose(self, name: str, companion: str = "none") -> None:
        """Say so, and leave what both made of the pictures to the training."""
        pictures = [self.some.entries[position].sha256 for position in self.seen]
        for each in (name, companion):
            if each in self.features:
                FeatureFile.of(self.configs[each], self.folder).write(pictures, self.features[each])
        self._tell(replace(self.candidates.get(name, Candidate(name)), is_chosen=True))
        self.watch(list(self.candidates.values()))

    def reason(self, name: str, companion: str = "none") -> Sentence:
        """Why it was chosen, with what the others came to."""
        figures = [
            f"{each.network} {100 * each.accuracy:.1f}"
            for each in self.candidates.values()
            if each.accuracy is not None and each.network != name
        ]
        accuracy = self.candidates[name].accuracy
        if accuracy is None:
            return {"template": N_("%(chosen)s was chosen: no other network is at hand."), "params": {"chosen": name}}
        params = {
            "chosen": name,
            "percent": 100 * accuracy,
            "count": len(self.seen),
            "others": ", ".join(figures) or "–",
        }
        if companion != "none":
            template = N_(
                "%(chosen)s was chosen: tried on %(count)d pictures, it got %(percent).1f %% of those right that it "
                "had not learned from. %(companion)s answers beside it. The others, in %%: %(others)s."
            )
            return {"template": template, "params": {**params, "companion": companion}}
        template = N_(
            "%(chosen)s was chosen: tried on %(count)d pictures, it got %(percent).1f %% of those right that it had "
            "not learned from. The others, in %%: %(others)s."
        )
        return {"template": template, "params": params}

    def flipped(self, name: str) -> FrozenAccuracies:
        """What a linear probe on the features of one network gets right of flipped pictures."""
        train, validation, labels = self.some.positions("train"), self.some.positions("validation"), self.labels
        probe = find_probe(self._features_at(name, train), labels[train], self.groups[train], self.num_classes)
        pixels = decoded(self.some, validation, self.configs[name].image_size)
        seen = self._features_at(name, validation)
        return flipped_accuracies(probe, self.parts[name], pixels, seen, labels[validation])

    def _accuracy_of(self, name: str) -> float:
        if name == FROM_SCRATCH:
            return scratch_accuracy(self.some, self.configs[name], self.folder, partial(self._advance, name))
        size = self.configs[name].image_size
        of_each = [self._computed(each, size, name) for each in PAIRS.get(name, (name,))]
        self.features[name] = np.concatenate(of_each, axis=1)
        labels, groups = self.labels[self.seen], self.groups[self.seen]
        probe = find_probe(self.features[name], labels, groups, self.num_classes)
        return float((probe.held_out.argmax(axis=1) == labels).mean())

    def _computed(self, network: str, image_size: int, shown_as: str) -> NDArray[np.float32]:
        """The features of a network of its own, (len(self.seen), width)."""
        key = (network, image_size)
        if key not in self.computed:
            part = frozen_features(TrainingConfig.for_network(network, {"image_size": image_size}), self.folder)
            began, found = time.monotonic(), []
            for number, block in enumerate(blocks(self.seen, AT_A_TIME)):
                found.append(part(decoded(self.some, block, image_size)))
                done = min(1.0, (number + 1) * AT_A_TIME / len(self.seen))
                self._advance(shown_as, done, (time.monotonic() - began) * (1 - done) / done)
            self.computed[key], self.parts[network] = np.concatenate(found), part
            self.seconds[network] = (time.monotonic() - began) / len(self.seen)
        return self.computed[key]

    def _features_at(self, name: str, positions: NDArray[np.intp]) -> NDArray[np.float32]:
        return self.features[name][np.searchsorted(self.seen, positions)]

    def _advance(self, name: str, done: float, seconds_left: float, accuracy: float | None = None) -> None:
        left = None if math.isnan(seconds_left) else seconds_left
        self._tell(Candidate(name, "works", done, accuracy, left))

    def _tell(self, candidate: Candidate) -> None:
        """At most every TELL_SECONDS, and where something begins or ends."""
        before = self.candidates.get(candidate.network)
        self.candidates[candidate.network] = candidate
        is_new = before is None or before.state != candidate.state
        if is_new or time.monotonic() - self.told >= TELL_SECONDS:
            self.told = time.monotonic()
            self.watch(list(self.candidates.values()))


def as_mirrors_allow(
    config: TrainingConfig, is_mirror_safe: bool | None, accuracies: FrozenAccuracies
) -> TrainingConfig:
    """A config that flips pictures only where a flipped one shows the same.

    Args:
        is_mirror_safe: what a person said of mirrored pictures; None where nobody did, then the accuracies tell.
        accuracies: of what has learned from pictures that were not flipped.
    """
    is_said = is_mirror_safe is not None
    is_safe = is_mirror_safe if is_said else not accuracies.plain - accuracies.mirrored > MIRROR_COSTS
    if not is_safe:
        return without_mirroring(config)
    if "flip" in config.augmentation and accuracies.have_no_upright:
        return config.changed({"augmentation": ("vertical_flip", *config.augmentation)})
    return config


def no_longer_than(seconds: float, config: TrainingConfig, seconds_an_epoch: float) -> TrainingConfig:
    """A config with as many epochs as the time allows, FEWEST_EPOCHS at least."""
    epochs = min(config.epochs, max(FEWEST_EPOCHS, int(seconds / seconds_an_epoch)))
    return config.changed({"epochs": epochs, "final_epochs": final_of(epochs)})


def fine_tuned_as_far_as_fits(config: TrainingConfig, accuracies: FrozenAccuracies) -> TrainingConfig:
    """A config that moves the weights the further, the less the pictures are like ImageNet's."""
    if not config.tunes_its_backbone or math.isnan(accuracies.upside_down):
        return config
    return config.changed(UNLIKE_IMAGENET if accuracies.have_no_upright else LIKE_IMAGENET)


def scratch_accuracy(
    some: Manifest,
    config: TrainingConfig,
    folder: Path,
    advance: Callable[[float, float, float | None], object] = _unwatched,
) -> float:
    """Share of the validation pictures that a network gets right after as many epochs as the time allows.

    Args:
        advance: is told the share that is done, the seconds left, and the share of the pictures that is right so far.
    """
    from training.trainer.train import network_to_fit

    config = config.changed(SPRINT)
    network = network_to_fit(config, len(some.class_names))
    everything = np.arange(len(some.entries))
    setup = PhaseSetup(network, decoded(some, everything, config.image_size), some, config, folder)
    phase = Phase(0, FROM_SCRATCH_EPOCHS, config.learning_rate)
    learner, batches = setup.prepare(phase)
    train = some.positions("train")
    steps = math.ceil(len(train) / config.batch_size)
    setup.compile(learner, phase, [steps] * FROM_SCRATCH_EPOCHS, keras.metrics.CategoricalAccuracy("accuracy"))
    validation = batches.at_rest(some.positions("validation"))
    best, began = 0.0, math.inf
    for epoch in range(FROM_SCRATCH_EPOCHS):
        of_epoch = batches.of_epoch(epoch, shuffled(train, config.seed, epoch))
        learner.fit(of_epoch, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0)
        began = min(began, time.monotonic())  # the first epoch is mostly tracing
        best = max(best, learner.evaluate(validation, return_dict=True, verbose=0)["accuracy"])
        spent = time.monotonic() - began
        done = max((epoch + 1) / FROM_SCRATCH_EPOCHS, spent / FROM_SCRATCH_SECONDS)
        advance(min(done, 1.0), spent * (1 - done) / done if epoch else math.nan, best)
        if done >= 1:
            break
    return float(best)
