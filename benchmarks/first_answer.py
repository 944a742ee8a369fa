"""How soon a fresh web process answers its first picture, and in how much memory.

    DATA_DIR=var python benchmarks/first_answer.py SLUG PICTURE [ROUNDS]

Starts the Procfile's web process anew each round, sends it a picture as soon as it listens, and prints medians: seconds
from process start to the first answer, of the tenth answer, and memory of the process tree after ten answers.
Needs an installation with a published version (`make run` makes one: digits).
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
BOUNDARY = "discern-benchmark"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def main(slug: str, picture: Path, rounds: int) -> None:
    results = [measure(slug, picture.read_bytes()) for _ in range(rounds)]
    first, tenth, memory = (statistics.median(column) for column in zip(*results, strict=True))
    print(f"first answer {first:.2f} s after start, tenth {tenth * 1000:.1f} ms, {memory:.0f} MB ({rounds} rounds)")


def measure(slug: str, picture: bytes) -> tuple[float, float, float]:
    port = free_port()
    env = {**os.environ, "PORT": str(port)}
    command = [sys.executable, "-m", "webapp.server"]
    started = time.perf_counter()
    server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}/api/v1/recognizers/{slug}/classify"
        while not answered(url, picture):
            time.sleep(0.01)
        first = time.perf_counter() - started
        for _ in range(9):
            before = time.perf_counter()
            answered(url, picture)
            tenth = time.perf_counter() - before
        return first, tenth, megabytes(server.pid)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def answered(url: str, picture: bytes) -> bool:
    request = urllib.request.Request(url, multipart(picture), MULTIPART)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return bool(response.status == 200)
    except urllib.error.HTTPError:
        raise
    except OSError:
        return False


def multipart(picture: bytes) -> bytes:
    """The body of a form with the picture, to be sent with the headers MULTIPART."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="picture"\r\n\r\n'
    return head.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def megabytes(pid: int) -> float:
    """Of the process and its children; what they share is counted once (proportional set size)."""
    children = [child for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
    fields = Path(f"/proc/{pid}/smaps_rollup").read_text().split("\n")
    own = next(int(line.split()[1]) for line in fields if line.startswith("Pss:"))
    return own / 1024 + sum(megabytes(int(child)) for child in children)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 5)
