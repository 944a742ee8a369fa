"""`python -m webapp.start`, with processes that stand for the site's: sleeping ones from a Procfile of the test's."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.processes import is_alive, wait_until
from tests.site import Site, environment
from webapp.operations.locks import check_free

KEEPER = ROOT / "webapp" / "operations" / "keeper.py"
PROCFILE = f"""\
redis: {sys.executable} {KEEPER} {sys.executable} manage.py redis
web: {sys.executable} {KEEPER} sleep 60
"""
START = [sys.executable, "-m", "webapp.start", "--no-starter"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a first start leaves."""
    folder = tmp_path_factory.mktemp("prepared") / "site"
    env = environment(folder, "")
    env.pop("REDIS_URL", None)
    command = [sys.executable, "manage.py", "first_start", "--no-starter"]
    said = subprocess.run(command, cwd=ROOT, env=env, check=True, umask=0o022, stdout=subprocess.PIPE).stdout
    (folder.parent / "said.txt").write_bytes(said)
    return folder


def environment_below(folder: Path, prepared: Path) -> dict[str, str]:
    shutil.copytree(prepared, folder / "site")
    (folder / "Procfile").write_text(PROCFILE)
    env = environment(folder / "site", "") | {"PROCFILE": str(folder / "Procfile")}
    env.pop("REDIS_URL", None)
    return env


@pytest.fixture
def env(tmp_path: Path, prepared: Path) -> dict[str, str]:
    return environment_below(tmp_path, prepared)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Site]:
    """A site that runs, for those tests that leave it as it is."""
    env = environment_below(tmp_path_factory.mktemp("running"), prepared)
    site = Site(env)
    with running(env) as site.processes:
        yield site


def start(env: dict[str, str], **changed: str) -> subprocess.CompletedProcess[str]:
    """A start that does not come about."""
    return subprocess.run(START, cwd=ROOT, env=env | changed, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def running(env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The site, once its Redis has been started."""
    site = Site(env)
    with (
        site.output.open("wb") as output,
        subprocess.Popen(START, cwd=ROOT, env=env, stdout=output, stderr=output, umask=0o022) as process,
    ):
        site.processes = process
        try:
            assert wait_until(lambda: site.pids("redis"), seconds=150), site.output.read_text()
            yield process
        finally:
            site.kill_everything()


def refused(env: dict[str, str], **changed: str) -> str:
    """What is said instead of starting."""
    done = start(env, **changed)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_second_site_is_refused_and_the_first_notices_nothing(site: Site) -> None:
    before = dict(site._ours())

    said = refused(site.env, PORT=str(int(site.env["PORT"]) - 1))

    assert f"A site runs on {site.data_dir} already: process {site.processes.pid} on" in said
    assert f"at http://127.0.0.1:{site.env['PORT']}/" in said
    assert dict(site._ours()) == before
    assert site.output.read_text().count("started (pid=") == 2


def test_a_killed_site_leaves_nothing_that_stops_the_next(env: dict[str, str]) -> None:
    with running(env):
        pass  # it ends with kill -9 of everything

    with running(env) as next_one:
        assert is_alive(next_one.pid)


def test_a_site_whose_head_is_killed_ends_and_lets_go_of_its_lock(env: dict[str, str]) -> None:
    site = Site(env)
    with running(env) as first:
        first.kill()
        first.wait()

        assert wait_until(lambda: site._ours() == [])
        check_free(site.data_dir / "running.lock")


def test_while_processes_of_a_site_live_whose_head_was_killed_it_counts_as_running(env: dict[str, str]) -> None:
    with running(env) as first:
        (redis,) = Site(env).pids("redis")
        os.kill(redis, signal.SIGSTOP)  # it does not end when it is asked to
        first.kill()
        first.wait()

        said = refused(env)

    assert "already" in said


def test_a_redis_that_is_killed_gets_its_lock_again_and_nobody_else_meanwhile(site: Site) -> None:
    for _ in range(2):
        (redis,) = site.pids("redis")
        with pytest.raises(subprocess.CalledProcessError):
            site.manage("redis")
        site.kill("redis")

        assert wait_until(lambda: site.pids("redis") not in ([], [redis]))  # noqa: B023  called at once


def test_commands_go_on_beside_a_running_site_and_write_for_its_owner_alone(site: Site, tmp_path: Path) -> None:
    site.manage("first_start", "--no-starter")
    site.manage("clean_up")
    site.manage("backup", str(tmp_path / "backup"))

    assert (tmp_path / "backup" / "SHA256SUMS").exists()
    assert readable_by_others(tmp_path / "backup") == []
    assert readable_by_others(site.data_dir) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "http", "PORT is 'http'; expected a number from 1 to 65535"),
        ("HOST", "192.0.2.1", "HOST is '192.0.2.1', which is no address of this machine"),
        ("DATA_DIR", "/proc/discern", "DATA_DIR is '/proc/discern', "),
        ("ENGINE", "torch", "ENGINE is 'torch'; expected openvino or keras"),
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none", "The database cannot be used (connection"),
    ],
)
def test_a_wrong_start_says_so_in_a_sentence_and_starts_nothing(
    name: str, value: str, said: str, env: dict[str, str]
) -> None:
    assert said in refused(env, **{name: value})
    assert Site(env)._ours() == []


def test_what_is_refused_first_has_written_nothing(env: dict[str, str], tmp_path: Path) -> None:
    refused(env, PORT="http", DATA_DIR=str(tmp_path / "new"))

    assert not (tmp_path / "new").exists()


def test_a_wrong_value_is_a_sentence_in_every_command(env: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=env | {"ENGINE": "torch"}, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("ENGINE is 'torch'; expected")


@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="only root is warned of")
def test_root_is_warned_of_once(site: Site) -> None:
    said = site.output.read_text()

    assert said.count("root") == 1
    assert "WARNING webapp.start: The site runs as root" in said


def readable_by_others(folder: Path) -> list[str]:
    return [
        f"{path} {stat.filemode(path.stat().st_mode)}"
        for path in [folder, *folder.rglob("*")]
        if path.lstat().st_mode & 0o077 and not path.is_symlink()
    ]


def test_an_installation_that_others_could_read_is_closed_at_the_next_start(env: dict[str, str]) -> None:
    site = Site(env)
    for path in (site.data_dir, *site.data_dir.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)

    site.manage("migrate", "--verbosity=0")

    assert readable_by_others(site.data_dir) == []


def test_no_file_of_the_installation_keeps_the_first_password(prepared: Path) -> None:
    found = re.search(rb"Password: +(\S+)", (prepared.parent / "said.txt").read_bytes())
    files = [path for path in prepared.rglob("*") if path.is_file()]

    assert found
    assert len(files) > 2
    assert not [path for path in files if found[1] in path.read_bytes()]
