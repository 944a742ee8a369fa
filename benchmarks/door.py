"""What others notice while somebody hurts the site: slow lines, costly pictures, guessed passwords, endless bodies.

    python -m benchmarks.door ADDRESS DATA_DIR SLUG PICTURE [--seconds 60] [--only NAME ...]

Attacks a site of this machine that runs (`make run`; the recognizer SLUG has a published version). Meanwhile two others
ask for the recognizer's page and send PICTURE, one after the other. Prints a line for each attack: how many of their
requests failed, the median and the 99th percentile of the rest in milliseconds, the most memory of the web process with
its children (proportional set size), the most that lay in DATA_DIR/tmp, and what the attackers were answered.
"""

from __future__ import annotations

import argparse
import http.client
import io
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

from PIL import Image

from benchmarks.first_answer import MULTIPART, megabytes, multipart

T = TypeVar("T")
LISTENING = "0A"  # the state of a socket in /proc/net/tcp


@dataclass
class Site:
    """A running site, and what is seen of it from outside."""

    host: str
    port: int
    data_dir: Path
    slug: str
    picture: bytes
    pid: int

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=120)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def classify(self, picture: bytes) -> int:
        return self.ask("POST", f"/api/v1/recognizers/{self.slug}/classify", multipart(picture), MULTIPART)

    def bytes_in_tmp(self) -> int:
        total = 0
        for path in (self.data_dir / "tmp").rglob("*"):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total


@dataclass
class Seen:
    """What the others and the machine showed during an attack."""

    seconds: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    megabytes: float = 0.0
    bytes_in_tmp: int = 0

    def line(self, name: str, answers: Counter[str]) -> str:
        hundredths = statistics.quantiles(self.seconds, n=100)
        said = ", ".join(f"{number} × {answer}" for answer, number in answers.most_common())
        return (
            f"{name:10}  {len(self.seconds):5} answered, {self.failed.total()} failed {dict(self.failed) or ''}"
            f"  p50 {hundredths[49] * 1000:.0f}  p99 {hundredths[98] * 1000:.0f}  max {max(self.seconds) * 1000:.0f} ms"
            f"  {self.megabytes:.0f} MB  tmp {self.bytes_in_tmp / 1e6:.1f} MB  attackers: {said or 'no answer'}"
        )


@contextmanager
def watched(site: Site) -> Iterator[Seen]:
    """Two others ask, and a third looks at memory and disk, until the block ends."""
    seen, over = Seen(), threading.Event()

    def look() -> int:
        return site.ask("GET", f"/r/{site.slug}/")

    def classify() -> int:
        return site.classify(site.picture)

    def others() -> None:
        while not over.is_set():
            for ask in (look, classify):
                began = time.perf_counter()
                try:
                    status = str(ask())
                except OSError as error:
                    status = type(error).__name__
                if status == "200":
                    seen.seconds.append(time.perf_counter() - began)
                else:
                    seen.failed[status] += 1
                over.wait(0.1)

    def machine() -> None:
        while not over.wait(0.05):
            seen.megabytes = max(seen.megabytes, megabytes_of(site.pid))
            seen.bytes_in_tmp = max(seen.bytes_in_tmp, site.bytes_in_tmp())

    threads = [threading.Thread(target=each) for each in (others, others, machine)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def megabytes_of(pid: int) -> float:
    try:
        return megabytes(pid)
    except (FileNotFoundError, StopIteration, ProcessLookupError):  # a child has ended meanwhile
        return 0.0


def nothing(site: Site, seconds: float) -> Counter[str]:
    """What the others take when nobody attacks."""
    time.sleep(seconds)
    return Counter()


def idle(site: Site, seconds: float) -> Counter[str]:
    """Twelve connections that send one byte and wait."""
    return held([b"G"] * 12, site, seconds)


def dripping(site: Site, seconds: float) -> Counter[str]:
    """200 connections that send a byte a second: of a header, of a form, of a picture; the rest read no answer."""
    form = b"POST /login/ HTTP/1.1\r\nHost: here\r\nContent-Length: 900000\r\n\r\n"
    photo = f"POST /api/v1/recognizers/{site.slug}/classify HTTP/1.1\r\nHost: here\r\nContent-Length: 9000000\r\n\r\n"
    unread = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" * 200
    return held([b"GET / HTTP/1.1\r\nHost: here\r\nX-Slow: ", form, photo.encode(), unread] * 50, site, seconds)


def held(beginnings: list[bytes], site: Site, seconds: float, *, part: bytes = b"x", every: float = 1) -> Counter[str]:
    """Connections that send a part every so many seconds after their beginning, until they are cut."""
    ends = time.monotonic() + seconds
    cut: Counter[str] = Counter()

    def hold(beginning: bytes) -> None:
        with site.connect() as connection:
            try:
                connection.sendall(beginning)
                while time.monotonic() < ends:
                    time.sleep(every)
                    connection.sendall(part)
            except OSError:
                cut["cut"] += 1

    in_parallel(hold, beginnings)
    return cut


def phones(site: Site, seconds: float) -> Counter[str]:
    """200 phones that upload 5 MB at 20 kB a second, as long as there is time."""
    head = f"POST /api/v1/recognizers/{site.slug}/classify HTTP/1.1\r\nHost: here\r\nContent-Length: 5000000\r\n\r\n"
    return held([head.encode()] * 200, site, seconds, part=b"x" * 5_000, every=0.25)


def costly(number: int) -> Callable[[Site, float], Counter[str]]:
    """Pictures of a few bytes and as many pixels as are taken, or more, sent at once."""

    def send(site: Site, seconds: float) -> Counter[str]:
        kinds = [largest("RGBA", (8_000, 5_000), "WEBP"), largest("RGB", (4_000, 4_000), "WEBP")]
        kinds += [largest("LA", (8_000, 5_000), "PNG"), largest("I;16", (8_000, 5_000), "PNG")]
        answers: Counter[str] = Counter()

        def classify(picture: bytes) -> None:
            answers[str(site.classify(picture))] += 1

        in_parallel(classify, [kinds[turn % len(kinds)] for turn in range(number)])
        return answers

    return send


def largest(mode: str, size: tuple[int, int], format: str) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, format, lossless=True)
    return file.getvalue()


def logins(site: Site, seconds: float) -> Counter[str]:
    """1,000 passwords for 200 names, from 64 clients: 200 means that a password was checked."""
    answers: Counter[str] = Counter()

    def try_one(number: int) -> None:
        token = "x" * 32
        form = urlencode({"username": f"name{number % 200}", "password": "guess", "csrfmiddlewaretoken": token})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"csrftoken={token}"}
        answers[str(site.ask("POST", "/login/", form.encode(), headers))] += 1

    in_parallel(try_one, range(1_000), threads=64)
    return answers


def endless(site: Site, seconds: float) -> Counter[str]:
    """Bodies of 10 GB to six addresses, and one that does not say its length."""
    answers: Counter[str] = Counter()
    page, api = f"/r/{site.slug}/", f"/api/v1/recognizers/{site.slug}/classify"
    says_its_length, in_chunks = "Content-Length: 10000000000", "Transfer-Encoding: chunked"

    def send(request: tuple[str, str]) -> None:
        path, length = request
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in MULTIPART.items()) + "\r\n"
        with site.connect() as connection:
            with suppress(OSError):
                connection.sendall(head.encode())
                for _ in range(400):
                    connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            with suppress(OSError):
                answers[connection.recv(100).split(b"\r\n")[0].decode().removeprefix("HTTP/1.1 ")] += 1

    paths = ("/", "/login/", "/language/setlang/", "/nowhere/", page, api)
    in_parallel(send, [*((path, says_its_length) for path in paths), ("/login/", in_chunks)])
    return answers


ATTACKS: dict[str, Callable[[Site, float], Counter[str]]] = {
    "nothing": nothing,
    "idle": idle,
    "dripping": dripping,
    "phones": phones,
    "costly-8": costly(8),
    "costly-64": costly(64),
    "endless": endless,
    "logins": logins,
}


def in_parallel(action: Callable[[T], object], items: Sequence[T], threads: int = 0) -> None:
    with ThreadPoolExecutor(threads or len(items)) as pool:
        list(pool.map(action, items))


def listening_at(port: int) -> int:
    """The process of this machine that answers at a port."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    held = {f"socket:[{line[9]}]" for line in sockets if line[3] == LISTENING and line[1].endswith(f":{port:04X}")}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(descriptor.readlink()) in held:
                return int(descriptor.parts[2])
    raise SystemExit(f"No process of yours listens at port {port}: start the site with `make run`.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("slug")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    chosen = parser.parse_args()
    at = urlsplit(chosen.address)
    picture = chosen.picture.read_bytes()
    port = at.port or 80
    site = Site(at.hostname or "", port, chosen.data_dir, chosen.slug, picture, listening_at(port))
    for name in chosen.only:
        with watched(site) as seen:
            answers = ATTACKS[name](site, chosen.seconds)
            time.sleep(1)
        print(seen.line(name, answers))


if __name__ == "__main__":
    main()
