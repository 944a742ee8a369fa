"""Opens the published version of a recognizer, answers from it, and swaps to a newer one without a gap.

Each process keeps the versions it has opened. The database says at every request which one is published; when that
changes, one thread opens the new one beside the old while the others go on answering from the old.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from classifier.answer import Answer, ranked
from classifier.errors import EngineUnavailable, NoVersion
from training.artifact import load_network
from training.errors import N_, BrokenArtifact
from training.images import Source, load_pixels
from training.models import ModelVersion, Recognizer

log = logging.getLogger(__name__)

MAX_OPEN = 8  # recognizers a process keeps open; the one that rested longest is closed first
RETRY_SECONDS = 30  # before a version that would not open is tried again, while an older one answers

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, image_size, image_size, 3) pixels in 0-255 -> (num_classes,) probabilities."""


@dataclass(frozen=True)
class OpenVersion:
    version: ModelVersion
    network: Network

    def answer(self, source: Source) -> Answer:
        """Raises: UnreadablePicture."""
        started = time.perf_counter()
        pixels = load_pixels(source, self.version.image_size)
        probabilities = self.network(pixels[np.newaxis].astype(np.float32))
        milliseconds = (time.perf_counter() - started) * 1000
        return Answer(self.version, ranked(self.version.class_names, probabilities), milliseconds)


class Engine:
    """The open versions of one process; safe in threads."""

    def __init__(self, open_network: Callable[[ModelVersion], Network]) -> None:
        self._open_network = open_network
        self._open: OrderedDict[int, OpenVersion] = OrderedDict()  # by recognizer
        self._refused: dict[int, float] = {}  # by version: when it would not open
        self._opening: dict[int, threading.Lock] = {}  # by recognizer
        self._lock = threading.Lock()

    def classify(self, recognizer: Recognizer, source: Source) -> Answer:
        """Answer one picture from the recognizer's published version.

        Raises:
            NoVersion: nothing is published.
            EngineUnavailable: the published version will not open and no earlier one is open here.
            UnreadablePicture: the bytes are no picture we accept.
        """
        return self.opened(recognizer).answer(source)

    def opened(self, recognizer: Recognizer) -> OpenVersion:
        """The published version, ready to answer; the one before it while the new one is being opened, or will not."""
        published = recognizer.active_version
        if published is None:
            raise NoVersion(
                N_("“%(recognizer)s” has no published version yet. A member of staff must train and publish one."),
                recognizer=recognizer.name,
            )
        current = self._current(recognizer.pk)
        if current and (current.version.pk == published.pk or self._is_resting(published)):
            return current
        return self._swap(published, current)

    def check(self, recognizer: Recognizer) -> None:
        """Find out whether the published version itself answers, and answers right; it is opened if need be.

        Raises:
            NoVersion: nothing is published.
            EngineUnavailable, BrokenArtifact: the published version will not open; an earlier one may be answering.
        """
        opened, published = self.opened(recognizer), recognizer.active_version
        if published and opened.version.pk != published.pk:
            raise BrokenArtifact(N_("Version %(number)d cannot be opened."), number=published.number)

    def close_all(self) -> None:
        """Forget every open version; the next answer opens its version anew."""
        with self._lock:
            self._open.clear()
            self._refused.clear()

    def _swap(self, published: ModelVersion, current: OpenVersion | None) -> OpenVersion:
        with self._lock:
            opening = self._opening.setdefault(published.recognizer_id, threading.Lock())
        if not opening.acquire(blocking=current is None):
            assert current is not None  # another thread is opening the new one
            return current
        try:
            current = self._current(published.recognizer_id)
            if current and current.version.pk == published.pk:
                return current
            return self._open_beside(published, current)
        finally:
            opening.release()

    def _open_beside(self, published: ModelVersion, current: OpenVersion | None) -> OpenVersion:
        try:
            opened = OpenVersion(published, self._open_network(published))
        except BrokenArtifact as error:
            log.error("%s will not open: %s", published, error)
            self._refused[published.pk] = time.monotonic()
            if current:
                return current
            raise EngineUnavailable(
                N_("Version %(number)d of “%(recognizer)s” cannot be opened: %(reason)s"),
                number=published.number,
                recognizer=published.recognizer.name,
                reason=str(error),
            ) from error
        with self._lock:
            self._open[published.recognizer_id] = opened
            while len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)
        return opened

    def _current(self, recognizer_id: int) -> OpenVersion | None:
        with self._lock:
            if recognizer_id in self._open:
                self._open.move_to_end(recognizer_id)
            return self._open.get(recognizer_id)

    def _is_resting(self, published: ModelVersion) -> bool:
        refused_at = self._refused.get(published.pk)
        return refused_at is not None and time.monotonic() - refused_at < RETRY_SECONDS


def open_twin(version: ModelVersion) -> Network:
    """The version's serving twin, compiled by OpenVINO. Raises: BrokenArtifact."""
    import openvino as ov

    version.check_twin()
    core = ov.Core()
    # One stream of one thread a core: measured, the most answers a second; and f32, because bfloat16 is the default.
    compiled = core.compile_model(
        str(version.twin_paths[0]),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": os.cpu_count() or 1,
            "INFERENCE_NUM_THREADS": os.cpu_count() or 1,
        },
    )
    requests = threading.local()  # an infer request serves one thread at a time

    def answer(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        if not hasattr(requests, "mine"):
            requests.mine = compiled.create_infer_request()
        outputs: Any = requests.mine.infer([pixels])
        return np.array(outputs["probabilities"][0])  # a copy: the request's memory is used again

    return answer


def open_h5(version: ModelVersion) -> Network:
    """The version's H5 itself, opened by Keras, on the GPU where there is one. Raises: BrokenArtifact."""
    version.check_h5()
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):  # training may need the rest of its memory
        tf.config.experimental.set_memory_growth(gpu, True)
    network = load_network(version.h5_path)
    compiled = tf.function(lambda pixels: network(pixels, training=False), reduce_retracing=True)

    def answer(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = np.asarray(compiled(pixels))[0]
        return probabilities

    return answer


engine = Engine(open_h5 if settings.ENGINE == "keras" else open_twin)
