"""What a finished network is worth: its serving model answers the validation and the test pictures, once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from training.artifacts.h5 import PredictFn
from training.artifacts.serving_model import ServingModel, open_serving_model
from training.data.images import Pixels
from training.data.manifest import Manifest
from training.evaluation.calibration import Calibration, calibrated, fit_temperature, prediction_sets, reliability
from training.evaluation.metrics import Cost, Evaluation, WorstError, evaluate
from training.evaluation.predictions import Answers
from training.evaluation.robustness import Robustness, num_swept, sweep
from training.trainer.input_pipeline import Cache

NUM_WORST = 24  # errors kept
TIMED_ANSWERS = 30

Change = Callable[[Pixels, int], Pixels]  # a picture and its number -> the picture as the network sees it


@dataclass(frozen=True)
class Judgement:
    """The figures of a network, how sure it may be, and the answers they came from."""

    evaluation: Evaluation
    temperature: float
    answers: Answers


def judge(serving_model: ServingModel, cache: Cache, manifest: Manifest) -> Judgement:
    """Let the serving model answer on all cores; what it says has been compared with the network's before.

    Args:
        cache: (len(manifest.entries), image_size, image_size, 3) pixels.
    """
    files = [path.read_bytes() for path in serving_model.paths]
    streams = os.cpu_count() or 1
    predict = open_serving_model(*files, streams=streams)
    test = manifest.positions("test")
    with ThreadPoolExecutor(streams) as pool:
        answer = partial(_answer_all, predict, cache, pool)
        started = time.perf_counter()
        answers = _ask(answer, manifest)
        seconds = (time.perf_counter() - started) / (len(answers.labels) + len(answers.validation_labels))
        judgement = judgement_of(answers, manifest.class_names)
        robustness = _sweep(answer, test, answers.labels, num_swept(len(test), seconds))
    cost = Cost(_milliseconds(open_serving_model(*files), cache[test[:TIMED_ANSWERS]]), sum(map(len, files)))
    return replace(judgement, evaluation=replace(judgement.evaluation, robustness=robustness, cost=cost))


def judgement_of(answers: Answers, class_names: list[str]) -> Judgement:
    """All figures that need the answers alone."""
    temperature = fit_temperature(answers.validation_labels, answers.validation_probabilities)
    probabilities = calibrated(answers.probabilities, temperature)
    of_validation = calibrated(answers.validation_probabilities, temperature)
    evaluation = replace(
        evaluate(answers.labels, probabilities, class_names),
        calibration=Calibration(
            temperature,
            len(answers.validation_labels),
            before=reliability(answers.labels, answers.probabilities),
            after=reliability(answers.labels, probabilities),
        ),
        prediction_sets=prediction_sets(answers.labels, probabilities, answers.validation_labels, of_validation),
        worst=_worst(answers, probabilities, class_names),
    )
    return Judgement(evaluation, temperature, answers)


def _ask(answer: Callable[[Iterable[int]], NDArray[np.float32]], manifest: Manifest) -> Answers:
    labels, test, validation = manifest.labels(), manifest.positions("test"), manifest.positions("validation")
    names = np.array([manifest.entries[i].sha256 for i in test], dtype=np.bytes_)
    return Answers(names, labels[test], answer(test), labels[validation], answer(validation))


def _answer_all(
    predict: PredictFn,
    cache: Cache,
    pool: ThreadPoolExecutor,
    positions: Iterable[int],
    change: Change = lambda picture, _number: picture,
) -> NDArray[np.float32]:
    """The answers to the pictures at n positions, shape (n, num_classes)."""

    def answer(position: int) -> NDArray[np.float32]:
        return predict(change(cache[position], position)[np.newaxis].astype(np.float32))

    return np.stack(list(pool.map(answer, positions)))


def _worst(answers: Answers, probabilities: NDArray[np.float64], class_names: list[str]) -> list[WorstError]:
    """The wrong answers, the surest first."""
    given, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(given != answers.labels)
    return [
        WorstError(
            answers.sha256[i].decode(), class_names[answers.labels[i]], class_names[given[i]], float(confidence[i])
        )
        for i in wrong[np.argsort(-confidence[wrong], kind="stable")][:NUM_WORST]
    ]


def _sweep(
    answer: Callable[..., NDArray[np.float32]], test: NDArray[np.intp], labels: NDArray[np.int32], count: int
) -> Robustness:
    some = np.random.default_rng(0).permutation(len(test))[:count]
    return sweep(lambda change: answer(test[some], change).argmax(axis=1), labels[some])


def _milliseconds(predict: PredictFn, pixels: NDArray[np.uint8]) -> float:
    """The median time of one answer; the first ones do not count."""
    times = []
    for i in range(TIMED_ANSWERS + 5):
        picture = pixels[i % len(pixels)][np.newaxis].astype(np.float32)
        started = time.perf_counter()
        predict(picture)
        times.append(time.perf_counter() - started)
    return float(np.median(times[5:]) * 1000)
