from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from tests.processes import is_alive, wait_until
from tests.types import AddPictures
from training.config import TrainingConfig
from training.errors import TrainerDied
from training.models import Recognizer, TrainingRun
from training.runs import supervisor
from training.runs.memory_kills import MemoryKills

pytestmark = pytest.mark.usefixtures("_real_processes", "stopping")

State = TrainingRun.State
TINY = TrainingConfig.for_network("cnn", {"image_size": 16, "epochs": 2, "filters": (4, 8), "batch_size": 16})
SLEEPS = "import os, time; open(os.environ['DATA_DIR'] + '/pid', 'w').write(str(os.getpid())); time.sleep(60)"


@pytest.fixture
def trainer_does(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a line of Python in the trainer's place."""
    return lambda code: monkeypatch.setattr(supervisor, "TRAINER", (sys.executable, "-c", code))


@pytest.fixture
def run(recognizer: Recognizer) -> TrainingRun:
    return recognizer.runs.create(config=TINY.to_dict())


@pytest.fixture
def many_pictures(recognizer: Recognizer, add_pictures: AddPictures) -> None:
    for label in ("circle", "square"):
        add_pictures(recognizer, label=label, count=10)


def pid_file() -> Path:
    return Path(settings.DATA_DIR) / "pid"


def once_it_sleeps(then: Callable[[TrainingRun], object]) -> Callable[[TrainingRun], None]:
    """Does something when the trainer in the trainer's place has said its process id."""

    def watch(run: TrainingRun) -> None:
        if pid_file().exists() and pid_file().read_text() and run.state in TrainingRun.ACTIVE:
            then(run)

    return watch


@pytest.mark.usefixtures("many_pictures")
def test_a_run_ends_with_a_version_whose_files_exist_and_is_published(run: TrainingRun) -> None:
    TrainingRun.objects.update(publish_when_done=True)

    assert supervisor.carry_out(run)

    run.refresh_from_db()
    assert (run.state, run.error, run.epochs.count()) == (State.SUCCEEDED, "", 2)
    run.version.files.check_h5()
    run.version.files.check_serving_model()
    assert run.recognizer.versions.active() == run.version
    assert "Epoch 2" in run.log
    assert not any((Path(settings.DATA_DIR) / "runs").glob("*/*"))


def test_too_few_pictures_fail_the_run_in_plain_words(
    run: TrainingRun, recognizer: Recognizer, add_pictures: AddPictures
) -> None:
    add_pictures(recognizer, label="circle", count=5)

    supervisor.carry_out(run)

    run.refresh_from_db()
    assert (run.state, run.error.partition(".")[0]) == (
        State.FAILED,
        "There are pictures of 1 class; training needs at least 2",
    )


def test_a_run_that_is_claimed_already_is_left_alone(run: TrainingRun, trainer_does: Callable[[str], None]) -> None:
    trainer_does("raise SystemExit")
    run.claim("another:1")

    assert not supervisor.carry_out(run)

    run.refresh_from_db()
    assert run.owner == "another:1"


def test_the_trainer_of_a_cancelled_run_is_gone_within_seconds(
    run: TrainingRun, trainer_does: Callable[[str], None]
) -> None:
    trainer_does(SLEEPS)
    started = time.monotonic()

    supervisor.carry_out(run, once_it_sleeps(TrainingRun.request_cancel))

    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert not is_alive(int(pid_file().read_text()))
    assert time.monotonic() - started < 10


def test_a_trainer_that_will_not_end_is_killed_with_all_it_started(
    run: TrainingRun, trainer_does: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.3)
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    trainer_does(f"import os; os.fork(); {stubborn}{SLEEPS}")

    supervisor.carry_out(run, once_it_sleeps(TrainingRun.request_cancel))

    assert wait_until(lambda: not is_alive(int(pid_file().read_text())), seconds=5)
    run.refresh_from_db()
    assert run.state == State.CANCELLED


def kill(run: TrainingRun) -> None:
    os.kill(int(pid_file().read_text()), signal.SIGKILL)


def test_a_run_whose_trainer_was_killed_waits_again_and_does_not_blame_the_memory(
    run: TrainingRun, trainer_does: Callable[[str], None]
) -> None:
    trainer_does(SLEEPS)

    supervisor.carry_out(run, once_it_sleeps(kill))

    run.refresh_from_db()
    assert run.state == State.QUEUED
    assert "Its process was killed from outside (signal 9)" in run.interruption
    assert "memory" not in run.interruption


def test_memory_is_blamed_where_the_kernel_counted_a_kill_for_want_of_it(
    run: TrainingRun, trainer_does: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = tmp_path / "memory.events"
    monkeypatch.setattr(supervisor, "MemoryKills", lambda: MemoryKills(tmp_path, tmp_path))
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text("0::/")
    counted.write_text("oom_kill 4")
    trainer_does(SLEEPS)

    def run_out(run: TrainingRun) -> None:
        counted.write_text("oom_kill 5")
        kill(run)

    supervisor.carry_out(run, once_it_sleeps(run_out))

    run.refresh_from_db()
    assert "memory ran out at batch size 16. Try batch size 8" in run.interruption


def test_what_a_trainer_printed_before_it_died_is_in_the_log(
    run: TrainingRun, trainer_does: Callable[[str], None]
) -> None:
    trainer_does("print('last words', flush=True); raise SystemExit(7)")

    supervisor.carry_out(run)

    run.refresh_from_db()
    assert "ended with code 7" in run.interruption
    assert "last words" in run.log


def test_a_worker_that_goes_away_gives_the_run_back(
    run: TrainingRun, stopping: threading.Event, trainer_does: Callable[[str], None]
) -> None:
    trainer_does(SLEEPS)

    supervisor.carry_out(run, once_it_sleeps(lambda run: stopping.set()))

    run.refresh_from_db()
    assert (run.state, run.attempts) == (State.QUEUED, 0)
    assert not is_alive(int(pid_file().read_text()))


def test_a_worker_that_is_going_away_takes_nothing_again(run: TrainingRun, stopping: threading.Event) -> None:
    stopping.set()

    assert not supervisor.carry_out(run)

    run.refresh_from_db()
    assert (run.state, run.attempts) == (TrainingRun.State.QUEUED, 0)


def test_a_run_that_was_given_to_another_is_left_to_it(run: TrainingRun, trainer_does: Callable[[str], None]) -> None:
    trainer_does(SLEEPS)

    def overtake(run: TrainingRun) -> None:
        if run.owner != "another:1":
            run.interrupt(TrainerDied("Gone."))
            TrainingRun.objects.get(pk=run.pk).claim("another:1")

    supervisor.carry_out(run, once_it_sleeps(overtake))

    run.refresh_from_db()
    assert (run.state, run.owner) == (State.PREPARING, "another:1")
    assert not is_alive(int(pid_file().read_text()))


def test_an_error_in_the_watching_ends_the_trainer(run: TrainingRun, trainer_does: Callable[[str], None]) -> None:
    trainer_does(SLEEPS)

    def interrupt(run: TrainingRun) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervisor.carry_out(run, once_it_sleeps(interrupt))

    assert not is_alive(int(pid_file().read_text()))


@pytest.mark.usefixtures("many_pictures")
def test_the_trainer_ends_by_itself_when_its_worker_is_killed(run: TrainingRun) -> None:
    TrainingRun.objects.update(config=TINY.changed({"epochs": 1000}).to_dict())
    code = (
        "import django; django.setup(); from training.runs import supervisor; from training.models import TrainingRun; "
        f"supervisor.carry_out(TrainingRun.objects.get(pk={run.pk}))"
    )
    worker = subprocess.Popen([sys.executable, "-c", code])

    def has_begun() -> bool:
        run.refresh_from_db()
        return run.num_train > 0

    assert wait_until(has_begun)
    trainer = int(Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()[0])
    worker.kill()
    worker.wait()

    assert wait_until(lambda: not is_alive(trainer), seconds=15)
    run.refresh_from_db()
    assert not run.has_ended
