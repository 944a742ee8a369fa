"""The digits' first run brings its pictures with it; no other run does."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from tests.drawings import draw, encoded
from training.library import digits
from training.library.digits import add_digits, take_digits, takes_its_digits
from training.library.starter import STARTER_CONFIG
from training.models import Recognizer, TrainingRun

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> TrainingRun:
    return TrainingRun.objects.get(pk=add_digits().pk)


def test_it_waits_without_pictures_and_is_not_open_to_visitors(run: TrainingRun) -> None:
    assert (run.state, run.recognizer.pictures.count()) == (TrainingRun.State.QUEUED, 0)
    assert not Recognizer.objects.open_to_visitors().exists()


def test_its_run_takes_the_digits_in_before_it_learns(run: TrainingRun) -> None:
    assert takes_its_digits(run)

    run.manifest_sha256 = "of an attempt that had begun to learn"

    assert not takes_its_digits(run)


def test_no_other_run_takes_them(run: TrainingRun, recognizer: Recognizer, staff: User) -> None:
    assert not takes_its_digits(run.again(None))
    assert not takes_its_digits(recognizer.runs.create(config=STARTER_CONFIG.to_dict()))

    run.recognizer.runs.all().delete()

    assert not takes_its_digits(run.recognizer.runs.create(config=STARTER_CONFIG.to_dict(), started_by=staff))
    run.recognizer.runs.all().delete()
    assert not takes_its_digits(run.recognizer.runs.create(config={"network": "cnn"}))


def test_what_an_attempt_that_was_cut_off_took_is_not_taken_twice(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [(f"{number}.png", str(number % 2), encoded(draw("circle", number))) for number in range(4)]
    for some in (pictures[:2], pictures):
        monkeypatch.setattr(digits, "digit_pictures", lambda some=some: iter(some))
        take_digits(run.recognizer)

    assert run.recognizer.pictures.count() == 4
    assert list(run.recognizer.labels.values_list("key", flat=True)) == ["0", "1"]
