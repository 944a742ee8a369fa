"""A publishing that is killed, and a disk that is full: the site answers from the old version or the new one."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from classifier.engine import engine
from tests.disks import mounted
from tests.faults.campaign import record, rounds
from tests.types import MakeVersion, PictureBytes
from training.models import ModelVersion, TrainingRun
from training.runs import supervisor

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("_real_processes")]

PUBLISHES = """
import django, os, sys
django.setup()
from training.models import ModelVersion
print("ready", flush=True)
while True:
    for version in ModelVersion.objects.filter(is_active=False):
        version.publish(None)
"""


def test_a_publishing_that_is_killed_leaves_the_old_version_or_the_new_one(
    version: ModelVersion, make_version: MakeVersion, picture_bytes: PictureBytes
) -> None:
    recognizer = version.recognizer
    make_version(recognizer)
    rng, number = random.Random(1), rounds(3, 30)
    answered = []
    for _ in range(number):
        publisher = subprocess.Popen([sys.executable, "-c", PUBLISHES], stdout=subprocess.PIPE)
        publisher.stdout.readline()
        time.sleep(rng.uniform(0, 0.5))
        publisher.kill()
        publisher.communicate()

        engine.close_all()  # as after a restart
        answer = engine.classify(recognizer, picture_bytes())
        assert answer.version == recognizer.versions.get(is_active=True)
        answered.append(answer.version.number)
    record(
        "publishing killed at a random point: the site answers from the old version or the new one",
        f"{len(answered)} of {number} ({answered.count(1)} from the one, {answered.count(2)} from the other)",
    )
    assert len(answered) == number


@pytest.mark.parametrize(
    ("folder", "size"),
    [("runs", "40k"), ("files/checkpoints", "40k"), ("files/versions", "40k"), ("cache/pixels", "40k")],
)
def test_a_full_disk_fails_the_run_in_plain_words_and_the_old_version_stays(
    folder: str,
    size: str,
    version: ModelVersion,
    start_run: Callable[..., TrainingRun],
    picture_bytes: PictureBytes,
) -> None:
    run = start_run(publish_when_done=True)
    if folder == "files/versions":
        engine.classify(version.recognizer, picture_bytes())  # its files are below the mount
    with mounted(Path(settings.DATA_DIR) / folder, size):
        supervisor.carry_out(run)

        run.refresh_from_db()
        assert (run.state, "No space left on the disk" in run.error) == (TrainingRun.State.FAILED, True), run.error
        assert engine.classify(version.recognizer, picture_bytes()).version == version
        assert not any(path.is_file() for path in (Path(settings.DATA_DIR) / "runs").rglob("*"))
    record(f"a full disk below {folder}", "the run says “No space left on the disk …”, the old version answers")
