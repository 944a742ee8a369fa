"""What a finished network is worth: its serving model answers the validation and the test pictures, once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from training.artifacts.h5 import PredictFn
from training.artifacts.serving_model import ServingModel, open_serving_model
from training.data.images import Pixels
from training.data.manifest import Manifest
from training.evaluation.metrics import InferenceCost
from training.evaluation.predictions import HeldOut, Predictions
from training.evaluation.results import EvaluationResult, result_of
from training.evaluation.robustness import Robustness, num_swept, sweep
from training.trainer.input_pipeline import Cache

TIMED_ANSWERS = 30

Change = Callable[[Pixels, int], Pixels]  # a picture and its number -> the picture as the network sees it


def evaluate(
    serving_model: ServingModel, cache: Cache, manifest: Manifest, held_out: HeldOut | None = None
) -> EvaluationResult:
    """Let the serving model answer on all cores; what it says has been compared with the network's before.

    Args:
        cache: (len(manifest.entries), image_size, image_size, 3) pixels.
        held_out: what calibrates it where it has learned from the validation pictures as well.
    """
    files = [path.read_bytes() for path in serving_model.paths]
    streams = os.cpu_count() or 1
    predict = open_serving_model(*files, streams=streams)
    test = manifest.positions("test")
    with ThreadPoolExecutor(streams) as pool:
        answer = partial(_answer_all, predict, cache, pool)
        started = time.perf_counter()
        predictions = _ask(answer, manifest, held_out)
        num_asked = manifest.count("test") + (0 if held_out else manifest.count("validation"))
        seconds = (time.perf_counter() - started) / num_asked
        result = result_of(predictions, manifest.class_names)
        robustness = _sweep(answer, test, predictions.labels, num_swept(len(test), seconds))
    cost = InferenceCost(_milliseconds(open_serving_model(*files), cache[test[:TIMED_ANSWERS]]), sum(map(len, files)))
    return replace(result, evaluation=replace(result.evaluation, robustness=robustness, cost=cost))


def _ask(
    answer: Callable[[Iterable[int]], NDArray[np.float32]], manifest: Manifest, held_out: HeldOut | None
) -> Predictions:
    labels, test, validation = manifest.labels(), manifest.positions("test"), manifest.positions("validation")
    names = np.array([manifest.entries[i].sha256 for i in test], dtype=np.bytes_)
    held_out = held_out or HeldOut(labels[validation], answer(validation))
    return Predictions(names, labels[test], answer(test), held_out.labels, held_out.probabilities)


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
