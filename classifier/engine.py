"""Opens the published version of a recognizer, answers from it, and swaps to a newer one without a gap.

Each process keeps the versions it has opened. The database says at every request which one is published; when that
changes, one thread opens the new one beside the old while the others go on answering from the old. Where the new one
will not open, the old one stays; a process that has nothing open yet goes back through those that answered before.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from django.db import Error as DatabaseTrouble

from classifier.answer import Answer, ranked
from classifier.errors import EngineUnavailable, NoVersion
from classifier.models import FailedOpening
from classifier.optional_keras import open_h5
from training.artifacts.h5 import Golden, PredictFn
from training.data.decoders import load_pixels
from training.data.images import Source
from training.errors import BrokenArtifact
from training.messages import N_, Sentence
from training.models import ModelVersion, Recognizer
from training.models.versions import versions_before

log = logging.getLogger(__name__)

MAX_OPEN = 8  # recognizers a process keeps open; the one that rested longest is closed first
RETRY_SECONDS = 30  # before a version that would not open is tried again


@dataclass(frozen=True)
class OpenVersion:
    version: ModelVersion
    predict: PredictFn
    golden: Golden

    def answer(self, source: Source) -> Answer:
        """Raises: UnreadablePicture."""
        started = time.perf_counter()
        pixels = load_pixels(source, self.version.image_size)
        calibrator, names = self.version.calibrator, self.version.class_names
        probabilities = calibrator.calibrated(self.predict(pixels[np.newaxis].astype(np.float32)))
        scores = ranked(names, probabilities)
        possible = tuple(names[i] for i in calibrator.prediction_set(probabilities))
        return Answer(self.version, scores, (time.perf_counter() - started) * 1000, possible)

    def check(self) -> None:
        """Raises: BrokenArtifact if it does not give the answer that its H5 gave when it was written."""
        self.golden.check(self.predict, self.version.folder)


@dataclass(frozen=True)
class Failure:
    """A version that would not open."""

    version: ModelVersion
    reason: Sentence
    at: float  # on the monotonic clock

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.at < RETRY_SECONDS


class Engine:
    """The open versions of one process; safe in threads."""

    def __init__(self, open_network: Callable[[ModelVersion], PredictFn]) -> None:
        self._open_network = open_network
        self._open: OrderedDict[int, OpenVersion] = OrderedDict()  # by recognizer
        self._failures: dict[int, Failure] = {}  # by version
        self._opening: dict[int, threading.Lock] = {}  # by recognizer
        self._lock = threading.Lock()

    def classify(self, recognizer: Recognizer, source: Source) -> Answer:
        """Answer one picture from the recognizer's published version, or from the one in its stead.

        Raises:
            NoVersion: nothing is published.
            EngineUnavailable: neither the published version nor one that answered before it will open.
            UnreadablePicture: the bytes are no picture we accept.
        """
        return self.opened(recognizer).answer(source)

    def opened(self, recognizer: Recognizer) -> OpenVersion:
        """The published version, ready to answer; the one before it while the new one is being opened, or will not."""
        return self._ready(_published(recognizer), waits=False)

    def check(self, recognizer: Recognizer) -> None:
        """Find out whether the published version itself answers, and answers right; it is opened if need be.

        Raises:
            NoVersion: nothing is published.
            EngineUnavailable: the published version will not open; an earlier one may be answering.
            BrokenArtifact: it is open and answers its own test picture wrongly.
        """
        published = _published(recognizer)
        opened = self._ready(published, waits=True)
        if opened.version.pk != published.pk:
            raise self._unavailable(published)
        opened.check()

    def close_all(self) -> None:
        """Forget every open version; the next answer opens its version anew."""
        with self._lock:
            self._open.clear()
            self._failures.clear()

    def _ready(self, published: ModelVersion, *, waits: bool) -> OpenVersion:
        current = self._current(published)
        if current and self._serves(current, published):
            return current
        with self._lock:
            opening = self._opening.setdefault(published.recognizer_id, threading.Lock())
        if not opening.acquire(blocking=waits or current is None):
            assert current is not None  # another thread is opening the new one
            return current
        try:
            current = self._current(published)
            if current and self._serves(current, published):
                return current
            return self._open_beside(published, current)
        finally:
            opening.release()

    def _serves(self, current: OpenVersion, published: ModelVersion) -> bool:
        return current.version.pk == published.pk or self._rests(published)

    def _rests(self, version: ModelVersion) -> bool:
        failure = self._failures.get(version.pk)
        return failure is not None and failure.is_fresh

    def _open_beside(self, published: ModelVersion, current: OpenVersion | None) -> OpenVersion:
        """The published version, else the one that is open, else the latest that answered before and opens."""
        failures: list[Failure] = []
        opened = self._first_that_opens([published], failures) or current
        if opened is None:
            opened = self._first_that_opens(versions_before(published.recognizer), failures)
        _report(failures, opened)
        if opened is None:
            raise self._unavailable(published)
        return opened

    def _first_that_opens(self, versions: Iterable[ModelVersion], failures: list[Failure]) -> OpenVersion | None:
        for version in versions:
            if self._rests(version):
                continue
            try:
                opened = OpenVersion(version, self._open_network(version), version.files.golden())
                opened.check()
            except Exception as error:  # whatever it is, another version may answer
                log.error("%s will not open: %s", version, error, exc_info=not isinstance(error, BrokenArtifact))
                self._failures[version.pk] = Failure(version, _reason(error), time.monotonic())
                failures.append(self._failures[version.pk])
            else:
                self._keep(opened)
                return opened
        return None

    def _keep(self, opened: OpenVersion) -> None:
        with self._lock:
            self._failures.pop(opened.version.pk, None)
            self._open[opened.version.recognizer_id] = opened
            self._open.move_to_end(opened.version.recognizer_id)
            while len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)

    def _current(self, published: ModelVersion) -> OpenVersion | None:
        """What is open of the recognizer; a version that has been deleted answers no more."""
        with self._lock:
            current = self._open.get(published.recognizer_id)
            if current:
                self._open.move_to_end(published.recognizer_id)
        if current is None or current.version.pk == published.pk:
            return current
        return current if ModelVersion.objects.filter(pk=current.version.pk).exists() else None

    def _unavailable(self, published: ModelVersion) -> EngineUnavailable:
        failure = self._failures.get(published.pk)
        return EngineUnavailable(
            N_("Version %(number)d of “%(recognizer)s” cannot be opened: %(reason)s"),
            number=published.number,
            recognizer=published.recognizer.name,
            reason=failure.reason if failure else "",
        )


def _published(recognizer: Recognizer) -> ModelVersion:
    published = recognizer.versions.active()
    if published is None:
        raise NoVersion(
            N_("“%(recognizer)s” has no published version yet. A member of staff must train and publish one."),
            recognizer=recognizer.name,
        )
    return published


def _reason(error: Exception) -> Sentence:
    if isinstance(error, BrokenArtifact):
        return error.sentence
    return {
        "template": N_("It failed with an error of its own (%(error)s); the log of the site says where."),
        "params": {"error": f"{type(error).__name__}: {error}"[:300]},
    }


def _report(failures: list[Failure], answering: OpenVersion | None) -> None:
    """Let the dashboard say what will not open on this host. A database in trouble keeps nobody from answering."""
    try:
        for failure in failures:
            FailedOpening.note(failure.version, _with_consequence(failure.reason, answering))
        if answering:
            FailedOpening.forget(answering.version)
    except DatabaseTrouble:
        log.exception("The dashboard does not know which versions will not open")


def _with_consequence(reason: Sentence, answering: OpenVersion | None) -> Sentence:
    if answering is None:
        return {"template": N_("%(reason)s No other version answers instead."), "params": {"reason": reason}}
    return {
        "template": N_("%(reason)s Version %(number)d answers instead."),
        "params": {"reason": reason, "number": answering.version.number},
    }


def open_serving_model(version: ModelVersion) -> PredictFn:
    """The version's serving model, compiled by OpenVINO. Raises: BrokenArtifact."""
    return version.files.open_serving_model(streams=os.cpu_count() or 1)


engine = Engine(open_h5 if settings.ENGINE == "keras" else open_serving_model)
