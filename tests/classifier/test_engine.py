from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from django.db import OperationalError, connection, transaction

from classifier import engine as engine_module
from classifier.engine import Engine, OpenVersion, open_serving_model
from classifier.errors import EngineUnavailable, NoVersion
from classifier.models import FailedOpening
from classifier.optional_keras import open_h5
from tests.drawings import SHAPES, draw, encoded
from tests.types import MakeVersion
from training.artifacts.files import sha256_of
from training.artifacts.h5 import PredictFn
from training.data.images import load_pixels
from training.errors import BrokenArtifact, UnreadablePicture
from training.models import ModelVersion, Recognizer
from training.models.versions import roll_back

PICTURE = encoded(draw("circle", 999))


@pytest.fixture
def engine() -> Engine:
    """An engine of its own that answers from serving models."""
    return Engine(open_serving_model)


def is_open(engine: Engine, version: ModelVersion) -> bool:
    return engine.opened(version.recognizer).version.number == version.number


def constant(version: ModelVersion) -> PredictFn:
    """A network that answers what its H5's own picture must get, whatever it sees."""
    answer = version.files.golden().probabilities
    return lambda pixels: answer


def spoil(version: ModelVersion) -> None:
    for path in version.files.serving_model:
        path.write_bytes(path.read_bytes()[:-1] + b"?")


def wait_until(happens: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    def with_own_connection(number: int) -> Any:
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(with_own_connection, range(count)))


# --- answers


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_told_apart(shape: str, engine: Engine, version: ModelVersion) -> None:
    answers = [engine.classify(version.recognizer, encoded(draw(shape, number))) for number in range(1000, 1020)]

    assert sum(answer.best.label == shape for answer in answers) >= 19


def test_an_answer_names_its_version_and_all_classes(engine: Engine, version: ModelVersion) -> None:
    answer = engine.classify(version.recognizer, PICTURE)

    assert answer.version == version
    assert {score.label for score in answer.scores} == {"circle", "square"}
    assert sum(score.probability for score in answer.scores) == pytest.approx(1, abs=1e-5)
    assert answer.milliseconds > 0


def test_what_is_no_picture_is_refused(engine: Engine, version: ModelVersion) -> None:
    with pytest.raises(UnreadablePicture):
        engine.classify(version.recognizer, b"no picture")


def test_without_a_publication_there_is_no_answer(
    engine: Engine, recognizer: Recognizer, make_version: MakeVersion
) -> None:
    make_version(recognizer)

    with pytest.raises(NoVersion, match="“Shapes” has no published version"):
        engine.classify(recognizer, PICTURE)


@pytest.mark.django_db(transaction=True)
def test_threads_give_equal_answers(engine: Engine, version: ModelVersion) -> None:
    pictures = [encoded(draw(shape, number)) for shape in SHAPES for number in range(10)]
    alone = [engine.classify(version.recognizer, picture).scores for picture in pictures]

    def classify_all(_: int) -> list[Any]:
        return [engine.classify(version.recognizer, picture).scores for picture in pictures]

    assert in_threads(6, classify_all) == [alone] * 6


# --- swaps


def test_a_new_publication_answers_from_the_next_request_on(
    engine: Engine, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    before = engine.classify(recognizer, PICTURE).version
    newer = make_version(recognizer)
    newer.publish(None)

    assert (before, engine.classify(recognizer, PICTURE).version) == (version, newer)


def test_a_roll_back_answers_from_the_next_request_on(
    engine: Engine, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    make_version(recognizer).publish(None)
    engine.classify(recognizer, PICTURE)

    roll_back(recognizer, None, "")

    assert engine.classify(recognizer, PICTURE).version == version


def test_a_version_is_opened_once(version: ModelVersion) -> None:
    opened: list[int] = []
    engine = Engine(lambda version: opened.append(version.number) or constant(version))

    for _ in range(3):
        engine.classify(version.recognizer, PICTURE)

    assert opened == [1]


@pytest.mark.django_db(transaction=True)
def test_threads_that_come_first_together_open_a_version_once(version: ModelVersion) -> None:
    opened: list[int] = []
    engine = Engine(lambda version: opened.append(version.number) or constant(version))

    in_threads(6, lambda _: engine.classify(version.recognizer, PICTURE))

    assert opened == [1]


@pytest.mark.django_db(transaction=True)
def test_while_the_new_version_opens_others_are_answered_by_the_old(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def open_slowly(wanted: ModelVersion) -> PredictFn:
        if wanted != version:
            begun.set()
            assert may_end.wait(20)
        return constant(wanted)

    engine = Engine(open_slowly)
    engine.classify(recognizer, PICTURE)
    make_version(recognizer).publish(None)
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(in_threads, 1, lambda _: engine.classify(recognizer, PICTURE).version.number)
        assert begun.wait(20)
        meanwhile = engine.classify(recognizer, PICTURE).version.number
        may_end.set()

    assert (meanwhile, opening.result()) == (1, [2])


def test_the_one_that_rested_longest_is_closed(
    make_version: MakeVersion, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MAX_OPEN", 2)
    opened: list[str] = []
    engine = Engine(lambda version: opened.append(version.recognizer.slug) or constant(version))
    recognizers = [Recognizer.objects.create(slug=slug, name_en=slug) for slug in "abc"]
    for recognizer in recognizers:
        make_version(recognizer).publish(None)
    a, b, c = recognizers

    for recognizer in (a, b, a, c, a, b):
        engine.classify(recognizer, PICTURE)

    assert opened == ["a", "b", "c", "b"]


def test_closing_all_opens_them_anew(version: ModelVersion) -> None:
    opened: list[int] = []
    engine = Engine(lambda version: opened.append(version.number) or constant(version))
    engine.classify(version.recognizer, PICTURE)

    engine.close_all()
    engine.classify(version.recognizer, PICTURE)

    assert opened == [1, 1]


@pytest.mark.django_db(transaction=True)
def test_swaps_under_load_give_no_error_even_where_the_new_version_is_harmed(
    engine: Engine, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    published: list[int] = [1]
    is_over = threading.Event()

    def ask(_: int) -> set[int]:
        numbers: set[int] = set()
        while not is_over.is_set():
            numbers.add(engine.classify(recognizer, PICTURE).version.number)
        return numbers

    def publish_by_turns(_: int) -> set[int]:
        try:
            for number in range(6):
                newer = make_version(recognizer)
                newer.files.verify()
                if number % 2:
                    spoil(newer)  # between the check and the first answer
                with transaction.atomic():
                    newer.activate(None)
                if not number % 2:
                    published.append(newer.number)
                    wait_until(partial(is_open, engine, newer))
        finally:
            is_over.set()
        return set()

    seen = in_threads(4, lambda number: (ask if number else publish_by_turns)(number))

    assert set().union(*seen) == set(published)


# --- broken files


def test_a_fresh_process_refuses_a_harmed_twin_by_name(engine: Engine, version: ModelVersion) -> None:
    spoil(version)

    with pytest.raises(
        EngineUnavailable,
        match=r"Version 1 of “Shapes” cannot be opened: serving_model\.xml \+ serving_model\.bin has changed",
    ):
        engine.classify(version.recognizer, PICTURE)


def test_a_fresh_process_names_the_missing_twin(engine: Engine, version: ModelVersion) -> None:
    version.files.serving_model[1].unlink()

    with pytest.raises(EngineUnavailable, match=r"serving_model\.bin is missing"):
        engine.classify(version.recognizer, PICTURE)


def test_where_the_new_twin_is_harmed_the_old_version_stays(
    engine: Engine,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine.classify(recognizer, PICTURE)
    newer = make_version(recognizer)
    newer.publish(None)
    spoil(newer)

    answers = [engine.classify(recognizer, PICTURE) for _ in range(3)]

    assert {answer.version for answer in answers} == {version}
    assert len([record for record in caplog.records if "will not open" in record.message]) == 1


def test_a_version_that_would_not_open_is_tried_again_later(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    harmed = make_version(recognizer)

    def open_unless_harmed(wanted: ModelVersion) -> PredictFn:
        if wanted == harmed and not mended:
            raise BrokenArtifact("No.")
        return constant(wanted)

    engine, mended = Engine(open_unless_harmed), False
    engine.classify(recognizer, PICTURE)
    harmed.publish(None)
    engine.classify(recognizer, PICTURE)
    mended = True
    monkeypatch.setattr(engine_module, "RETRY_SECONDS", 0)

    assert engine.classify(recognizer, PICTURE).version == harmed


def test_a_fresh_process_goes_back_to_the_last_version_that_opens(
    engine: Engine, recognizer: Recognizer, make_version: MakeVersion
) -> None:
    first, second, third = (make_version(recognizer) for _ in range(3))
    for each in (first, second, third):
        each.publish(None)
    spoil(second)
    spoil(third)

    answers = [engine.classify(recognizer, PICTURE) for _ in range(2)]

    assert [answer.version for answer in answers] == [first, first]


def test_where_no_version_opens_the_published_one_is_named(
    engine: Engine, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)
    newer.publish(None)
    spoil(version)
    spoil(newer)

    for _ in range(2):
        with pytest.raises(EngineUnavailable, match="Version 2 of “Shapes” cannot be opened"):
            engine.classify(recognizer, PICTURE)


def test_a_version_that_would_not_open_is_left_in_peace_for_a_while(version: ModelVersion) -> None:
    tried: list[int] = []

    def refuse(version: ModelVersion) -> PredictFn:
        tried.append(version.number)
        raise BrokenArtifact("No.")

    engine = Engine(refuse)
    for _ in range(3):
        with pytest.raises(EngineUnavailable):
            engine.classify(version.recognizer, PICTURE)

    assert tried == [1]


def test_a_harmed_h5_is_noticed_before_its_twin_answers(engine: Engine, version: ModelVersion) -> None:
    version.files.h5.write_bytes(version.files.h5.read_bytes()[:-1] + b"?")

    with pytest.raises(EngineUnavailable, match=r"network\.h5 has changed"):
        engine.classify(version.recognizer, PICTURE)


def test_a_network_that_answers_its_own_test_wrongly_is_not_used(version: ModelVersion) -> None:
    engine = Engine(lambda version: lambda pixels: np.array([0.5, 0.5], np.float32))

    with pytest.raises(EngineUnavailable, match="answers the picture kept with it otherwise"):
        engine.classify(version.recognizer, PICTURE)


def test_whatever_goes_wrong_at_opening_the_version_before_answers(
    recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    def open_network(wanted: ModelVersion) -> PredictFn:
        if wanted != version:
            raise MemoryError
        return constant(wanted)

    engine = Engine(open_network)
    make_version(recognizer).publish(None)

    assert engine.classify(recognizer, PICTURE).version == version


def test_a_twin_that_openvino_cannot_read_is_a_broken_artifact(engine: Engine, version: ModelVersion) -> None:
    structure, weights = version.files.serving_model
    structure.write_bytes(structure.read_bytes()[:500])
    ModelVersion.objects.update(serving_model_sha256=sha256_of(structure, weights))

    with pytest.raises(
        EngineUnavailable, match=r"serving_model\.xml \+ serving_model\.bin cannot be opened \(Could not determine tag"
    ):
        engine.classify(version.recognizer, PICTURE)


def test_what_changes_after_it_was_opened_changes_no_answer(engine: Engine, version: ModelVersion) -> None:
    before = engine.classify(version.recognizer, PICTURE).scores

    for path in version.files.serving_model:
        path.write_bytes(b"0" * path.stat().st_size)

    assert engine.classify(version.recognizer, PICTURE).scores == before


def test_a_deleted_version_does_not_answer_in_the_place_of_one_that_will_not_open(
    engine: Engine, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    engine.classify(recognizer, PICTURE)
    newer = make_version(recognizer)
    newer.publish(None)
    spoil(newer)
    engine.classify(recognizer, PICTURE)

    version.remove()

    with pytest.raises(EngineUnavailable):
        engine.classify(recognizer, PICTURE)


# --- what the dashboard learns


def test_what_will_not_open_is_kept_with_its_host_and_with_what_answers_instead(
    engine: Engine, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)
    newer.publish(None)
    newer.files.serving_model[1].unlink()

    engine.classify(recognizer, PICTURE)

    failure = newer.failed_openings.get()
    assert failure.host == socket.gethostname()
    assert failure.reason == (
        "serving_model.bin is missing. Restore it from a backup or train again. Version 1 answers instead."
    )


def test_what_opens_again_is_no_trouble_any_more(engine: Engine, version: ModelVersion) -> None:
    whole = version.files.h5.read_bytes()
    version.files.h5.write_bytes(b"")
    with pytest.raises(EngineUnavailable):
        engine.classify(version.recognizer, PICTURE)
    noted = version.failed_openings.count()

    version.files.h5.write_bytes(whole)
    engine.close_all()
    engine.classify(version.recognizer, PICTURE)

    assert (noted, version.failed_openings.count()) == (1, 0)


def test_a_database_that_takes_no_row_keeps_nobody_from_answering(
    engine: Engine,
    recognizer: Recognizer,
    version: ModelVersion,
    make_version: MakeVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newer = make_version(recognizer)
    newer.publish(None)
    spoil(newer)
    monkeypatch.setattr(FailedOpening, "note", Mock(side_effect=OperationalError("database is locked")))

    assert engine.classify(recognizer, PICTURE).version == version


# --- is it ready


def test_a_published_version_that_answers_its_own_test_is_ready(engine: Engine, version: ModelVersion) -> None:
    engine.check(version.recognizer)
    spoil(version)  # what is open needs its files no more

    engine.check(version.recognizer)
    assert engine.opened(version.recognizer).version == version


def test_without_a_publication_nothing_is_ready(engine: Engine, recognizer: Recognizer) -> None:
    with pytest.raises(NoVersion):
        engine.check(recognizer)


def test_an_earlier_version_that_answers_does_not_make_the_published_one_ready(
    engine: Engine, recognizer: Recognizer, version: ModelVersion, make_version: MakeVersion
) -> None:
    newer = make_version(recognizer)
    newer.publish(None)
    spoil(newer)
    engine.classify(recognizer, PICTURE)

    with pytest.raises(EngineUnavailable, match="Version 2 of “Shapes” cannot be opened: serving_model"):
        engine.check(recognizer)


def test_a_version_that_comes_to_answer_wrongly_is_not_ready(version: ModelVersion) -> None:
    answer = version.files.golden().probabilities.copy()
    engine = Engine(lambda version: lambda pixels: answer)
    engine.check(version.recognizer)

    answer[:] = answer[::-1].copy()

    with pytest.raises(BrokenArtifact, match="otherwise"):
        engine.check(version.recognizer)


# --- the H5 itself

PLAIN_KERAS = """
import sys, keras, numpy as np
network = keras.saving.load_model(sys.argv[1], compile=False)
np.save(sys.argv[3], network.predict(np.load(sys.argv[2]).astype("float32"), verbose=0))
"""


@pytest.mark.keras
def test_the_h5_opened_by_keras_gives_the_scores_of_its_twin(version: ModelVersion) -> None:
    golden = version.files.golden()
    by_openvino, by_keras = (OpenVersion(version, opens(version), golden) for opens in (open_serving_model, open_h5))

    for number in range(25):
        for shape in SHAPES:
            picture = encoded(draw(shape, number))
            scores = {score.label: score.probability for score in by_keras.answer(picture).scores}
            for score in by_openvino.answer(picture).scores:
                assert abs(score.probability - scores[score.label]) < 1e-4


@pytest.mark.keras
def test_the_h5_opens_in_plain_keras_and_gives_the_scores_of_its_twin(version: ModelVersion, tmp_path: Any) -> None:
    pixels = np.stack([load_pixels(encoded(draw(shape, n)), version.image_size) for shape in SHAPES for n in range(25)])
    np.save(tmp_path / "pixels.npy", pixels)

    files = [str(path) for path in (version.files.h5, tmp_path / "pixels.npy", tmp_path / "scores.npy")]
    subprocess.run([sys.executable, "-c", PLAIN_KERAS, *files], check=True, cwd=tmp_path, capture_output=True)

    answer = open_serving_model(version)
    by_openvino = np.stack([answer(each[np.newaxis].astype(np.float32)) for each in pixels])
    assert np.abs(np.load(tmp_path / "scores.npy") - by_openvino).max() < 1e-4


@pytest.mark.keras
def test_a_changed_h5_is_refused_before_keras_sees_it(version: ModelVersion) -> None:
    data = bytearray(version.files.h5.read_bytes())
    data[len(data) // 2] ^= 1
    version.files.h5.write_bytes(data)

    with pytest.raises(BrokenArtifact, match=r"network\.h5 has changed"):
        open_h5(version)


def test_the_answers_are_calibrated(engine: Engine, version: ModelVersion) -> None:
    raw = version.files.open_serving_model()(load_pixels(PICTURE, version.image_size)[np.newaxis].astype(np.float32))
    version.temperature = 5.0
    version.save()

    best = engine.classify(version.recognizer, PICTURE).best

    expected = raw ** (1 / 5) / (raw ** (1 / 5)).sum()
    assert best.probability == pytest.approx(expected.max(), abs=1e-6)
    assert best.probability < raw.max()


def test_what_a_picture_could_also_be_is_said(engine: Engine, version: ModelVersion) -> None:
    version.evaluation["prediction_sets"]["limit"] = 1.0
    version.save()

    answer = engine.classify(version.recognizer, PICTURE)

    assert answer.could_also_be == [answer.scores[1].label]


def test_a_version_of_an_earlier_release_has_no_sets(engine: Engine, version: ModelVersion) -> None:
    del version.evaluation["prediction_sets"]
    version.save()

    assert engine.classify(version.recognizer, PICTURE).could_also_be == []
