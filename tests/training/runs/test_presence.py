from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.processes import wait_until
from training.config import TrainingConfig
from training.hardware import Hardware
from training.models import Recognizer, TrainingRun, Worker
from training.runs import presence as presence_module
from training.runs.presence import Does, Presence, leave, report
from webapp.operations import embedded_redis

ROOT = Path(__file__).parents[3]
CPU = Hardware((), "A CPU", 4, 8 * 2**30)
TWO_GPUS = Hardware(("A GPU", "A GPU"), "A CPU", 16, 64 * 2**30)
CELERY = (sys.executable, *"-m celery --quiet -A webapp worker --pool threads --concurrency 1".split())


# --- the row


@pytest.mark.django_db
def test_a_worker_says_what_it_has() -> None:
    report("train@here", TWO_GPUS, timezone.now())

    worker = Worker.objects.alive().get()
    assert (worker.device, worker.has_gpu, worker.num_cores) == ("2 × A GPU", True, 16)


@pytest.mark.django_db
def test_a_worker_that_says_nothing_for_a_minute_is_no_longer_alive() -> None:
    report("train@here", CPU, timezone.now())
    Worker.objects.update(seen_at=timezone.now() - timedelta(seconds=61))

    assert not Worker.objects.alive().exists()


@pytest.mark.django_db
def test_a_worker_that_only_reads_imports_is_none_that_trains() -> None:
    report("imports@here", CPU, timezone.now(), Does(trains=False, reads_imports=True))

    assert not Worker.objects.alive().exists()
    assert Worker.objects.reading_imports().exists()


@pytest.mark.django_db
def test_a_worker_that_begins_again_has_one_row() -> None:
    for hardware in (CPU, TWO_GPUS):
        report("train@here", hardware, timezone.now())

    assert Worker.objects.get().has_gpu


@pytest.mark.django_db
def test_a_worker_that_leaves_does_not_take_the_row_of_its_successor_along() -> None:
    report("train@here", CPU, timezone.now())

    leave("train@here", timezone.now() - timedelta(minutes=5))

    assert Worker.objects.exists()


@pytest.mark.parametrize(
    ("owner", "state", "expected"),
    [
        ("train@a", "training", True),
        ("train@aa", "training", False),
        ("train@a", "failed", False),
        ("", "queued", False),
    ],
)
def test_a_worker_carries_out_the_active_runs_that_it_owns(owner: str, state: str, expected: bool) -> None:
    assert Worker(name="train@a").carries_out(TrainingRun(owner=owner, state=state)) is expected


# --- keeping it fresh


@pytest.fixture
def presence(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Presence]:
    monkeypatch.setattr(presence_module, "SEEN_EVERY_SECONDS", 0.05)
    presence = Presence()
    yield presence
    presence.end()


def test_the_row_stays_fresh_and_goes_when_the_worker_leaves(presence: Presence) -> None:
    presence.begin("train@here", CPU)
    assert wait_until(Worker.objects.exists)
    first = Worker.objects.get().seen_at

    assert wait_until(lambda: Worker.objects.get().seen_at > first)

    presence.end()
    assert not Worker.objects.exists()


def test_a_worker_that_begins_once_more_reports_as_before(presence: Presence) -> None:
    presence.begin("train@here", CPU)
    presence.begin("train@here", TWO_GPUS)

    assert not Worker.objects.get().has_gpu


def test_a_database_that_is_away_is_asked_again(
    presence: Presence, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Exception | None] = [OperationalError("server closed the connection"), RuntimeError("odd")]

    def report_or_fail(*args: Any) -> None:
        if answers and (error := answers.pop()):
            raise error
        report(*args)

    monkeypatch.setattr(presence_module, "report", report_or_fail)

    presence.begin("train@here", CPU)

    assert wait_until(Worker.objects.exists)
    assert "could not be written: server closed the connection" in caplog.text


# --- real workers


@contextmanager
def redis_server(data_dir: Path) -> Iterator[None]:
    server = subprocess.Popen(embedded_redis.server_command(data_dir))
    try:
        yield
    finally:
        server.kill()
        server.wait()


@contextmanager
def celery_worker(name: str, queues: str) -> Iterator[subprocess.Popen[bytes]]:
    worker = subprocess.Popen([*CELERY, "--hostname", f"{name}@here", "--queues", queues], cwd=ROOT)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


@pytest.fixture
def data_dir(_real_processes: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the processes that a test starts find their Redis."""
    monkeypatch.setenv("REDIS_URL", "")
    return Path(settings.DATA_DIR)


@pytest.fixture
def _pretended_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver on the PATH and a TensorFlow that sees a GPU; a worker asks no more of them."""
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    (tmp_path / "tensorflow.py").write_text(
        "class config:\n"
        "    list_physical_devices = lambda kind: ['first']\n"
        "    class experimental:\n"
        "        get_device_details = lambda device: {'device_name': 'A pretended GPU'}\n"
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_a_worker_has_a_row_from_its_start_to_its_end_and_the_clock_has_none(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_server(data_dir), celery_worker("clock", "housekeeping"), celery_worker("train", "train") as worker:
        assert wait_until(Worker.objects.alive().exists)
        assert [each.name for each in Worker.objects.all()] == ["train@here"]

        worker.send_signal(signal.SIGTERM)

        assert worker.wait(20) == 0
        assert not Worker.objects.exists()


@pytest.mark.usefixtures("_pretended_gpu")
def test_a_run_that_waits_for_a_gpu_begins_when_a_worker_has_one_also_before_it_has_a_broker_and_after_that_was_lost(
    data_dir: Path, recognizer: Recognizer
) -> None:
    def ask() -> TrainingRun:
        return recognizer.runs.create(config=TrainingConfig.for_network("cnn").to_dict(), needs_gpu=True)

    def is_refused_by_its_trainer(run: TrainingRun) -> bool:  # for want of pictures
        return "There are pictures of 0 class" in TrainingRun.objects.get(pk=run.pk).error

    with celery_worker("train", "train"):
        run = ask()
        assert wait_until(lambda: is_refused_by_its_trainer(run))
        assert Worker.objects.get().device == "A pretended GPU"
        with redis_server(data_dir):
            run = ask()
            assert wait_until(lambda: is_refused_by_its_trainer(run))
        with redis_server(data_dir):
            run = ask()
            subprocess.run([sys.executable, "-c", NUDGES, str(run.pk)], cwd=ROOT, check=True)
            assert wait_until(lambda: is_refused_by_its_trainer(run))


NUDGES = """
import django, sys
django.setup()
from webapp.celery import app
from training.models import TrainingRun
TrainingRun.objects.get(pk=sys.argv[1]).nudge()
"""
