"""The whole site in its own processes, as `make run` starts it; they can be found, killed and frozen."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.once import SHARED
from tests.processes import is_alive, wait_until

ROOT = Path(__file__).parent.parent
CARRY_OUT_RUNS = """
from training.models import TrainingRun
from training.runs.supervisor import carry_out
for run in TrainingRun.objects.queued().order_by("pk"):
    carry_out(run)
"""
ROLES = {
    "web": r"-m webapp.server",
    "worker": r"celery.*train\w*@",
    "clock": r"celery.*clock@",
    "jobs": r"celery.*jobs@",
    "imports": r"celery.*imports@",
    "redis": r"redis-server",
    "trainer": r"-m training run \d",
    "job": r"-m training job \d",
}


def environment(data_dir: Path, database_url: str) -> dict[str, str]:
    """What a user's shell would have: nothing of the test run's own settings."""
    mine = ("DISCERN_TESTS", SHARED, "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "DATA_DIR")
    env = {name: value for name, value in os.environ.items() if name not in mine}
    env |= {"DATA_DIR": str(data_dir), "PORT": str(free_port()), "PYTHONUNBUFFERED": "1"}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    if database_url:
        env["DATABASE_URL"] = database_url
    return env


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """A site below one DATA_DIR: started, found in pieces, ended."""

    def __init__(self, env: dict[str, str], procfile: Path = ROOT / "Procfile", under: Sequence[str] = ()) -> None:
        self.env = env
        self.procfile = procfile
        self.under = under  # a command that starts the processes and looks at what they do
        self.data_dir = Path(env["DATA_DIR"])
        self.url = f"http://127.0.0.1:{env['PORT']}"
        self.username = self.password = ""
        self.slowness = 1.0  # how many times longer than with nothing else on the machine its start took

    def prepare(self, *options: str) -> None:
        """What `make run` does before it starts the processes."""
        login = re.search(r"First login: (\S+)\s+Password:\s+(\S+)", self.manage("first_start", *options))
        if login:
            self.username, self.password = login.groups()

    def manage(self, *arguments: str) -> str:
        """Run a command of `manage.py`. Returns: what it said."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.env, check=True, stdout=subprocess.PIPE, text=True).stdout

    def carry_out_runs(self) -> None:
        """What its worker does when it is started: every run that waits. The first start leaves that of the digits."""
        self.manage("shell", "-v", "0", "-c", CARRY_OUT_RUNS)

    def start(self, *, seconds: float = 90) -> None:
        """Start the Procfile's processes and wait until the site answers."""
        honcho = [str(Path(sys.executable).parent / "honcho"), "start", "-f", str(self.procfile), "-d", str(ROOT)]
        with self.output.open("a") as output:
            self.processes = subprocess.Popen(
                [*self.under, *honcho], cwd=ROOT, env=self.env, stdout=output, stderr=output, start_new_session=True
            )
        wait_until(lambda: self.answers() or self.processes.poll() is not None, seconds=seconds)
        if not self.answers():
            raise AssertionError(f"the site is not ready:\n{self.output.read_text()[-5000:]}")

    def in_time(self, seconds: float) -> float:
        """What a promise of so many seconds comes to on a machine that is as busy as when the site was started."""
        return seconds * self.slowness

    def stop(self) -> None:
        """End it as Ctrl-C does, and make sure that nothing of it is left."""
        self.processes.send_signal(signal.SIGINT)
        try:
            self.processes.wait(20)
        finally:
            self.kill_everything()

    @property
    def output(self) -> Path:
        return self.data_dir / "output.txt"

    def answers(self, path: str = "/healthz") -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5):  # noqa: S310  our own site
                return True
        except (urllib.error.URLError, OSError):
            return False

    def pids(self, role: str, name: str = "") -> list[int]:
        """The processes of a role that live now, not those that keep them running; `name` tells one worker apart."""
        found = [(pid, command) for pid, command in self._ours() if re.search(ROLES[role], command)]
        return [pid for pid, command in found if name in command and "keeper.py" not in command]

    def keeper_of(self, pid: int) -> int:
        """The process that would start it again."""
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    def kill(self, role: str, number: int = signal.SIGKILL) -> bool:
        """Send a signal to the processes of a role; false where there is none."""
        found = self.pids(role)
        for pid in found:
            send(pid, number)
        return bool(found)

    def kill_everything(self) -> None:
        """kill -9 of every process at once, whatever it is."""
        for _ in range(5):  # one may start another while they are killed
            found = [pid for pid, _ in self._ours()]
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in found:
                    send(pid, number)
            time.sleep(0.05)
        self.processes.poll()

    def _ours(self) -> list[tuple[int, str]]:
        """Every process that was started with our DATA_DIR, with its command line. Redis writes its title over the
        environment it was started with, but its socket's path is in it."""
        mark = f"DATA_DIR={self.data_dir}\0".encode()
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal() and int(folder.name) != os.getpid() and is_alive(int(folder.name)):
                try:
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if mark in (folder / "environ").read_bytes() + b"\0" or f"{self.data_dir}/redis.sock" in command:
                        found.append((int(folder.name), command))
                except OSError:  # gone this moment
                    continue
        return found


def send(pid: int, number: int) -> None:
    """A signal, also to a process that has just gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
