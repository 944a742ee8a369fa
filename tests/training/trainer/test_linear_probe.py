from __future__ import annotations

import numpy as np
import pytest

from training.trainer.linear_probe import LinearProbe, find_probe, grouped_folds

WIDTH = 30


def some_features(labels: np.ndarray, spread: float = 1.0, seed: int = 1) -> np.ndarray:
    """Points about a middle of their class, as far apart as they are wide where the spread is 1."""
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(0).normal(size=(labels.max() + 1, WIDTH))
    return (middles[labels] + spread * rng.normal(size=(len(labels), WIDTH))).astype(np.float32)


def alone(labels: np.ndarray) -> np.ndarray:
    return np.arange(len(labels)).astype(str)


def accuracy(probe: LinearProbe, labels: np.ndarray, seed: int = 2) -> float:
    return float((probe.answers(some_features(labels, seed=seed)).argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("num_classes", [2, 3, 7])
def test_it_tells_classes_apart_that_it_has_not_seen(num_classes: int) -> None:
    labels = np.arange(40 * num_classes, dtype=np.int32) % num_classes

    probe = find_probe(some_features(labels), labels, alone(labels), num_classes)

    assert (probe.kernel.shape, probe.offsets.shape) == ((WIDTH, num_classes), (num_classes,))
    assert accuracy(probe, labels) > 0.95
    assert probe.held_out.sum(axis=1) == pytest.approx(np.ones(len(labels)))
    assert (probe.held_out.argmax(axis=1) == labels).mean() == pytest.approx(accuracy(probe, labels), abs=0.08)


def test_what_it_held_out_says_what_it_is_worth_where_it_learns_by_heart() -> None:
    labels = np.arange(60, dtype=np.int32) % 3
    noise = np.random.default_rng(3).normal(size=(60, 200)).astype(np.float32)  # tells nothing

    probe = find_probe(noise, labels, alone(labels), 3)

    assert (probe.answers(noise).argmax(axis=1) == labels).mean() > 0.9
    assert (probe.held_out.argmax(axis=1) == labels).mean() < 0.6
    assert probe.held_out.max(axis=1).mean() < 0.6  # and it knows that it does not know


def test_near_duplicates_are_held_out_together() -> None:
    labels = np.repeat(np.arange(4, dtype=np.int32), 30)
    groups = np.array([f"{label}-{number % 10}" for number, label in enumerate(labels)])

    folds = grouped_folds(labels, groups)

    assert sorted(np.concatenate(folds)) == list(range(120))
    for fold in folds:
        assert set(groups[fold]).isdisjoint(np.delete(groups, fold))
        assert np.bincount(labels[fold], minlength=4).min() > 0


def test_two_pictures_of_a_class_are_enough() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2], np.int32)

    probe = find_probe(some_features(labels, spread=0.2), labels, alone(labels), 3)

    assert accuracy(probe, labels) == 1
    assert len(grouped_folds(labels, alone(labels))) == 2


def test_a_class_of_one_picture_is_learned_though_its_fold_has_none() -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2], np.int32)

    probe = find_probe(some_features(labels, spread=0.1), labels, alone(labels), 3)

    assert accuracy(probe, labels) == 1
    assert np.isfinite(probe.held_out).all()


def test_the_same_pictures_give_the_same_layer() -> None:
    labels = np.arange(60, dtype=np.int32) % 3
    first, second = (find_probe(some_features(labels), labels, alone(labels), 3) for _ in range(2))

    assert (first.kernel == second.kernel).all()
    assert (first.offsets == second.offsets).all()


def test_the_length_of_the_features_changes_no_answer() -> None:
    labels = np.arange(60, dtype=np.int32) % 3
    features = some_features(labels)

    usual, long = (
        find_probe(times * features, labels, alone(labels), 3).answers(times * features) for times in (1, 50)
    )

    assert long == pytest.approx(usual, abs=1e-3)


def test_small_classes_are_answered_more_often_when_they_count_more() -> None:
    labels = np.array([0] * 300 + [1] * 12, np.int32)
    features = some_features(labels, spread=4)
    unseen = np.repeat(np.arange(2, dtype=np.int32), 200)

    found = {
        weighing: find_probe(features, labels, alone(labels), 2, weighing=weighing)
        .answers(some_features(unseen, spread=4, seed=5))
        .argmax(axis=1)
        for weighing in ("none", "square_root", "balanced")
    }

    recalls = [float(found[weighing][unseen == 1].mean()) for weighing in ("none", "square_root", "balanced")]
    assert recalls == sorted(recalls)
    assert recalls[0] < recalls[1]
