from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from training.config import TrainingConfig

pytestmark = pytest.mark.keras

PIXELS = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(10, dtype=np.int32) % 2
ALL = np.arange(10)


def config(**settings: Any) -> TrainingConfig:
    return TrainingConfig.for_network("cnn", {"image_size": 8, "batch_size": 4, "augmentation": (), **settings})


def batches_of(chosen: TrainingConfig, **more: Any) -> Any:
    from training.trainer.batches import Batches
    from training.trainer.input_pipeline import Pictures

    return Batches(Pictures(PIXELS, chosen), LABELS, 2, chosen, **more)


def read(dataset: Any) -> list[Any]:
    return list(dataset.as_numpy_iterator())


def test_an_epoch_reads_its_pictures_in_order_and_goes_on_from_any_step() -> None:
    order = ALL[::-1]

    whole, rest = (read(batches_of(config()).of_epoch(0, order, first)) for first in (0, 2))

    assert (np.concatenate([pixels for pixels, _ in whole]) == PIXELS[::-1]).all()
    assert (rest[0][0] == whole[2][0]).all()


def test_every_epoch_changes_the_pictures_anew_and_validation_never_does() -> None:
    changing = batches_of(config(augmentation=("rotation", "brightness")))

    first, again, second = (read(changing.of_epoch(epoch, ALL))[0][0] for epoch in (0, 0, 1))

    assert (first == again).all()
    assert (first != second).any()
    assert (read(changing.at_rest(ALL))[0][0] == PIXELS[:4]).all()


def test_blended_pictures_carry_the_shares_of_their_classes() -> None:
    pixels, shares = read(batches_of(config(mixup=0.4)).of_epoch(0, ALL))[0]

    assert pixels.dtype == shares.dtype == np.float32
    assert shares.sum(axis=1) == pytest.approx(np.ones(4))
    assert (shares.argmax(axis=1) == LABELS[:4]).all()


def test_all_of_a_picture_is_of_its_one_class_where_none_are_blended() -> None:
    of_epoch, at_rest = batches_of(config()).of_epoch(0, ALL), batches_of(config()).at_rest(ALL)

    shares = [np.concatenate([batch[1] for batch in read(each)]) for each in (of_epoch, at_rest)]

    assert all((each == np.eye(2)[LABELS]).all() and each.dtype == np.float32 for each in shares)


def test_every_head_is_asked_for_the_class_with_the_same_weight() -> None:
    weighed = batches_of(config(), weights=np.array([0.5, 2], np.float32), heads=("probabilities", "auxiliary"))

    _, classes, weights = read(weighed.of_epoch(0, ALL))[0]

    assert set(classes) == set(weights) == {"probabilities", "auxiliary"}
    assert weights["auxiliary"].tolist() == [0.5, 2, 0.5, 2]


def test_features_are_computed_once_with_as_many_views_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.data.manifest import Entry, Manifest
    from training.trainer import input_pipeline
    from training.trainer.input_pipeline import Pictures, features

    sides: Any = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    manifest = Manifest("", ["a", "b"], [Entry("", str(i), i % 2, side) for i, side in enumerate(sides)])
    pictures = Pictures(PIXELS, config(augmentation=("brightness",)), lambda pixels: pixels.mean((1, 2)))

    kept = features(pictures, manifest, 3)
    monkeypatch.setattr(input_pipeline, "FEATURE_BYTES", 4 * 3 * 10 * 2)

    assert kept.views.shape == (3, 10, 3)
    assert (kept.in_epoch(1, ALL[:6]) != kept.at_rest(ALL[:6])).any()
    assert (kept.in_epoch(3, ALL[:6]) == kept.at_rest(ALL[:6])).all()
    assert len(features(pictures, manifest, 3).views) == 2
