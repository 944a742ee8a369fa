from __future__ import annotations

import sys

import pytest
from django.core.management import CommandError

from tests.training.management.test_commands import run
from training.models import Recognizer, Search, TrainingRun
from training.runs import supervisor


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["shapes"], "Nothing is searched"),
        (["shapes", "--try", "dropout"], "--try takes NAME=VALUE, but “dropout” has no “=”"),
        (["shapes", "--try", "dropout=0.5..0.1"], "from a smaller number to a larger one"),
        (["shapes", "--try", "dropout=0..0.5", "--runs", "0"], "max_runs is “0”"),
        (["birds", "--try", "dropout=0..0.5"], "no recognizer “birds”"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_trial_begins(
    words: list[str], reason: str, recognizer: Recognizer
) -> None:
    with pytest.raises(CommandError, match=reason):
        run("search", *words)

    assert not Search.objects.exists()


TRIES = """
import os, sys, django
django.setup()
from types import SimpleNamespace
from training.runs import training_run
from training.runs import trainer_process
from training.models import ModelVersion
def stand_in(run, manifest, report):
    figures = dict.fromkeys(("loss", "accuracy", "val_loss", "learning_rate", "pictures_per_second", "seconds"), 0.5)
    report.epoch(SimpleNamespace(number=1, val_accuracy=1 - run.training_config.dropout, **figures))
    report.stage("converting")
training_run._train = stand_in
training_run.prepared = lambda run, report: SimpleNamespace(class_names=[])
def keep(run, class_names, artifact):
    run.succeed(ModelVersion(recognizer=run.recognizer, run=run, folder="f", h5_sha256="0", h5_bytes=1,
        serving_model_sha256="0", serving_model_difference=0,
        class_names=class_names, image_size=8, num_weights=1, test_accuracy=0.25, evaluation={}))
training_run.keep = keep
sys.exit(trainer_process.main(sys.argv[1], *map(int, sys.argv[2:])))
"""


@pytest.mark.usefixtures("_real_processes")
def test_a_search_shows_each_trial_and_trains_the_best_to_a_version(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "TRAINER", (sys.executable, "-c", TRIES))

    lines = run("search", "shapes", "--network", "mlp", "--try", "dropout=0..0.5", "--runs", "3").splitlines()

    best = Search.objects.get().best_run
    assert [line.split(":")[0] for line in lines] == ["trial 1", "trial 2", "trial 3", "version 1"]
    assert f"trial {best.trial}: succeeded  validation accuracy {best.value:.4f}  dropout=" in "\n".join(lines)
    assert best.value == max(run.value for run in best.search.trials)
    assert lines[-1] == "version 1: test accuracy 0.2500 on 0 pictures"


def test_an_interrupted_search_is_cancelled(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(supervisor, "carry_out", interrupted)

    with pytest.raises(CommandError, match="Cancelled"):
        run("search", "shapes", "--network", "mlp", "--try", "dropout=0..0.5")

    assert Search.objects.get().state == Search.State.CANCELLED
    assert not TrainingRun.objects.unfinished().exists()
