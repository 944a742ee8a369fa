"""A recognizer worth a short training, and the whole site around the test's own rows and files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import celery.app.base
import pytest
from django.conf import settings

from tests.site import ROOT, Site, environment
from tests.types import AddPictures
from training import queue
from training.config import TrainingConfig
from training.models import Recognizer, TrainingRun
from webapp.celery import app
from webapp.operations.embedded_redis import socket_url

SEND = celery.app.base.Celery.send_task  # before the tests' fixtures put something in its place
SECOND_WORKER = "train@%h", "train2@%h"
SHORT = TrainingConfig.for_network(
    "cnn", {"image_size": 24, "epochs": 8, "batch_size": 8, "filters": (8, 16), "augmentation": ("zoom",)}
)
USUAL_START = 12.0  # seconds from nothing to an answering site, measured with nothing else on the machine
LONGER = replace(SHORT, epochs=30)  # still training when it is killed, however late on a busy machine


@pytest.fixture
def shapes(recognizer: Recognizer, add_pictures: AddPictures) -> Recognizer:
    for label in ("circle", "square"):
        add_pictures(recognizer, label=label, count=30)
    return recognizer


@pytest.fixture
def start_run(shapes: Recognizer) -> Callable[..., TrainingRun]:
    def start(config: TrainingConfig = SHORT, **values: Any) -> TrainingRun:
        return shapes.runs.create(config=config.to_dict(), **values)

    return start


@pytest.fixture
def site(_real_processes: None) -> Iterator[Site]:
    """The site with two workers and its own Redis, on the test's database."""
    env = environment(settings.DATA_DIR, os.environ["DATABASE_URL"])
    env.pop("REDIS_URL", None)  # ours is killed, frozen and emptied
    procfile = settings.DATA_DIR / "Procfile"
    lines = (ROOT / "Procfile").read_text().splitlines()
    second = [line.replace("worker:", "worker2:").replace(*SECOND_WORKER) for line in lines if "worker:" in line]
    procfile.write_text("\n".join([*lines, *second]) + "\n")
    site = Site(env, procfile)
    began = time.monotonic()
    site.prepare("--no-starter")
    try:
        site.start()
        site.slowness = max(1.0, (time.monotonic() - began) / USUAL_START)
        yield site
    finally:
        site.stop()


def deliver(run: TrainingRun, site: Site, *, times: int = 1) -> None:
    """Send a run's nudge; a broker may deliver the same message several times."""
    with app.connection_for_write(socket_url(site.data_dir)) as broker:
        for _ in range(times):
            SEND(app, queue.TRAIN_RUN, args=[run.pk], queue=queue.TRAIN, connection=broker)
