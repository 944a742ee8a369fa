"""`python -m tests.faults`: the whole campaign, on SQLite and on a PostgreSQL of its own, and the table of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.site import free_port


def main(chosen: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="discern-faults-") as folder:
        results = Path(folder) / "results.jsonl"
        code = _campaign(results, {}, chosen or ["tests/faults"])
        with _postgres() as env:
            if env:
                code |= _campaign(results, env, chosen or ["tests/faults/test_runs.py", "tests/faults/test_site.py"])
            else:
                print("No initdb was found; the campaign ran on SQLite alone.")  # noqa: T201
        print(_table(results))  # noqa: T201
    return code


def _campaign(results: Path, env: dict[str, str], chosen: list[str]) -> int:
    ours = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    command = [sys.executable, "-m", "pytest", "-m", "faults", "--durations=0", *chosen]
    return subprocess.run(command, env={**ours, **env, "FAULTS_RESULTS": str(results)}, check=False).returncode


def _table(results: Path) -> str:
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    rows = [f"| {line['promise']} | {line['seen']} |" for line in lines]
    return "\n".join(["| promise | seen |", "|---|---|", *rows])


@contextmanager
def _postgres() -> Iterator[dict[str, str]]:
    """A PostgreSQL server that may be killed and restarted; nothing where none is installed."""
    initdb = _initdb()
    if initdb is None:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="discern-postgres-") as folder:
        data, port = Path(folder) / "data", free_port()
        user = []
        if os.getuid() == 0:  # initdb refuses to be root
            shutil.chown(folder, "postgres")
            user = ["runuser", "-u", "postgres", "--"]
        control = [*user, str(initdb.with_name("pg_ctl")), "-D", str(data), "-l", f"{folder}/log", "-w"]
        _quietly([*user, str(initdb), "-D", str(data), "-A", "trust", "-U", "root"])
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\n")
        _quietly([*control, "start"])
        try:
            yield {
                "DATABASE_URL": f"postgres://root@127.0.0.1:{port}/postgres",
                "FAULTS_POSTGRES": " ".join([*control, "-m", "immediate", "restart"]),
            }
        finally:
            _quietly([*control, "-m", "immediate", "stop"])


def _initdb() -> Path | None:
    on_the_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))  # where Debian has it
    return Path(on_the_path) if on_the_path else found[-1] if found else None


def _quietly(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
