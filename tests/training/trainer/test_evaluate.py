from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests import tiny
from tests.drawings import SHAPES, draw, encoded
from training.artifacts.h5 import read_provenance
from training.artifacts.serving_model import ServingModel
from training.artifacts.version_files import H5_NAME, PREDICTIONS_NAME, SERVING_MODEL_NAMES
from training.data.images import ingest, load_pixels
from training.data.manifest import Entry, Manifest
from training.evaluation.predictions import Answers, read_answers
from training.trainer.evaluate import NUM_WORST, judge, judgement_of

NAMES = ["cat", "dog"]


def answers_of(count: int) -> Answers:
    """Every fifth picture is answered wrongly, and all with 99 %."""
    labels = np.arange(count) % 2
    given = np.where(np.arange(count) % 5 == 0, 1 - labels, labels)
    probabilities = np.where(np.eye(2)[given] > 0, 0.99, 0.01).astype(np.float32)
    names = np.array([f"{i:064x}" for i in range(count)], dtype=np.bytes_)
    return Answers(names, labels.astype(np.int32), probabilities, labels.astype(np.int32), probabilities)


def test_a_network_too_sure_of_itself_is_judged_less_sure() -> None:
    judgement = judgement_of(answers_of(200), NAMES)

    calibration = judgement.evaluation.calibration
    assert calibration.temperature == judgement.temperature > 2
    assert calibration.before.error > 0.15
    assert calibration.after.error < 0.02


def test_the_worst_errors_name_the_picture_and_both_classes() -> None:
    worst = judgement_of(answers_of(200), NAMES).evaluation.worst

    assert len(worst) == NUM_WORST
    assert (worst[0].sha256, worst[0].true, worst[0].answered) == ("0" * 64, "cat", "dog")
    assert 0.7 < worst[0].probability < 0.9


def test_all_figures_can_be_kept_as_json() -> None:
    kept = json.loads(json.dumps(judgement_of(answers_of(40), NAMES).evaluation.to_dict()))

    assert kept["prediction_sets"]["calibrated_on"] == 40
    assert len(kept["calibration"]["after"]["bins"]) == 15


def test_a_twin_is_judged_by_its_answers_to_pictures_it_never_saw(tiny_files: Path) -> None:
    """Four pictures of each shape are for testing, the next four for validation."""
    entries, pixels = [], []
    for label, shape in enumerate(SHAPES):
        for number in range(1000, 1008):
            kept = ingest(encoded(draw(shape, number)))
            entries.append(Entry("", kept.sha256, label, "test" if number < 1004 else "validation"))
            pixels.append(load_pixels(kept.data, tiny.CONFIG.image_size))
    paths = (tiny_files / SERVING_MODEL_NAMES[0], tiny_files / SERVING_MODEL_NAMES[1])

    judgement = judge(ServingModel(paths, "", 0.0, 0), np.stack(pixels), Manifest("", sorted(SHAPES), entries))

    evaluation, answers = judgement.evaluation, judgement.answers
    assert (evaluation.pictures, evaluation.robustness.pictures, evaluation.calibration.fitted_on) == (8, 8, 8)
    assert evaluation.accuracy == evaluation.robustness.accuracy >= 0.75
    assert evaluation.cost.milliseconds > 0
    assert [name.decode() for name in answers.sha256] == [each.sha256 for each in entries if each.split == "test"]


def test_the_h5_carries_the_temperature_that_the_answers_ask_for(tiny_files: Path) -> None:
    answers = read_answers((tiny_files / PREDICTIONS_NAME).read_bytes())

    judgement = judgement_of(answers, sorted(SHAPES))

    assert read_provenance(tiny_files / H5_NAME).temperature == judgement.temperature
