"""`python -m tests.fuzz`: sends changed files to a site of its own at the page, the API and the upload of zips.

What must hold: no answer of 5xx but 503 with Retry-After, no process of the site gone, memory bounded, no traceback in
the log, and as many files of pictures as rows. A case is made again from the seed and its number: `--only 4711`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import resource
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from requests.cookies import RequestsCookieJar

from tests.fuzz.cases import API, ZIP, Case, good_pictures, make_case
from tests.processes import wait_until
from tests.site import Site, environment

SLUG = "digits"
CLIENTS = 6
START_SECONDS = 300
WORK_SECONDS = 1800  # for a training, and for the imports that wait at the end
MOST_BYTES = 1_200_000_000  # of the web process and its decoders
WATCHED = ("web", "worker", "clock", "jobs", "imports", "redis")
LEFT = """
import json
from collections import Counter
from django.conf import settings
from training.models import Picture, PictureImport
rows = {picture.file for picture in Picture.objects.all()}
found = (settings.MEDIA_ROOT / "pictures").rglob("*")
files = {path.relative_to(settings.MEDIA_ROOT).as_posix() for path in found if path.is_file()}
states = Counter(PictureImport.objects.values_list("state", flat=True))
waiting = PictureImport.objects.filter(ended_at=None).count()
print(json.dumps({"rows": len(rows), "differ": sorted(rows ^ files)[:5], "waiting": waiting, "imports": states}))
"""


@dataclass
class Seen:
    """What came of the cases; safe in threads, each of which adds whole entries."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    most_bytes: int = 0


class Client:
    """Somebody of the staff who sends; each thread has its own connections."""

    def __init__(self, url: str, cookies: RequestsCookieJar | None = None) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.cookies.update(cookies or RequestsCookieJar())

    def sign_in(self, username: str, password: str) -> RequestsCookieJar:
        """Returns: the cookies that others may use as well."""
        self.session.get(f"{self.url}/login/", timeout=60)
        self._post("/login/", data={"username": username, "password": password}).raise_for_status()
        return self.session.cookies

    def send(self, case: Case) -> requests.Response:
        """Send one file to its entrance. Raises: requests.RequestException where no answer comes."""
        if case.entrance == ZIP:
            return self._post(f"/manage/{SLUG}/pictures/upload/", files={"archive": ("some.zip", case.data)})
        path = f"/api/v1/recognizers/{SLUG}/classify" if case.entrance == API else f"/r/{SLUG}/"
        return self._post(path, files={"file": ("some.jpg", case.data)})

    def _post(self, path: str, **body: Any) -> requests.Response:
        headers = {"X-CSRFToken": self.session.cookies.get("csrftoken") or "", "Accept": "application/json"}
        return self.session.post(f"{self.url}{path}", headers=headers, timeout=120, allow_redirects=False, **body)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of one case")
    chosen = parser.parse_args(arguments)
    numbers = range(chosen.count) if chosen.only is None else [chosen.only]
    with tempfile.TemporaryDirectory(prefix="discern-fuzz-") as folder:
        seen = Seen()
        for site in started(Path(folder)):
            before = {role: site.pids(role) for role in WATCHED}
            send_all(site, (make_case(chosen.seed, number) for number in numbers), seen)
            look_at_rest(site, seen)
            look_at_processes(site, before, seen)
            look_at_log(site, seen)
    say(f"{dict(seen.statuses)}; at most {seen.most_bytes / 1e6:.0f} MB in the web process and its decoders")
    for each in seen.wrong:
        say(f"WRONG: {each}")
    return int(bool(seen.wrong))


def started(folder: Path) -> Iterator[Site]:
    """A site whose starter recognizer answers."""
    env = environment(folder / "data", "")
    env.pop("REDIS_URL", None)
    site = Site(env | {"RATE_ANSWERS": "", "RATE_UPLOADS": "", "RATE_LOGINS": ""})
    site.data_dir.mkdir()
    site.prepare()
    try:
        site.start(seconds=START_SECONDS)
        say("The site is ready; its first recognizer is being trained.")
        client = Client(site.url)
        good = Case(0, API, good_pictures()[0])
        assert wait_until(lambda: client.send(good).status_code == 200, seconds=WORK_SECONDS), "it does not answer"
        yield site
    finally:
        site.stop()


def send_all(site: Site, cases: Iterable[Case], seen: Seen) -> None:
    """Send the cases by several clients; now and then say how far it is, and look how large the web process is."""
    cookies = Client(site.url).sign_in(site.username, site.password)
    each_has, ended = threading.local(), threading.Event()

    def send(case: Case) -> None:
        if not hasattr(each_has, "client"):
            each_has.client = Client(site.url, cookies)
        try:
            response = each_has.client.send(case)
        except requests.RequestException as error:
            seen.wrong.append(f"case {case.number} at the {case.entrance}: {error}")
            return
        status = response.status_code
        seen.statuses[f"{case.entrance} {status}"] += 1
        if status >= 500 and not (status == 503 and "Retry-After" in response.headers):
            seen.wrong.append(f"case {case.number} at the {case.entrance}: {status}")

    def look() -> None:
        while not ended.wait(1):
            seen.most_bytes = max(seen.most_bytes, bytes_of(site))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            for some in batched(cases, 500):
                list(pool.map(send, some))
                say(f"{sum(seen.statuses.values())} sent, {len(seen.wrong)} wrong")
    finally:
        ended.set()
        looking.join()
    if seen.most_bytes > MOST_BYTES:
        seen.wrong.append(f"the web process and its decoders took {seen.most_bytes / 1e6:.0f} MB")


def batched(cases: Iterable[Case], size: int) -> Iterator[list[Case]]:
    iterator = iter(cases)
    while some := list(itertools.islice(iterator, size)):
        yield some


def bytes_of(site: Site) -> int:
    """What the web process and its decoders have of the memory."""
    web = site.pids("web")
    return sum(resident(pid) for pid in [*web, *(child for pid in web for child in children(pid))])


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):  # gone this moment
        return 0


def children(pid: int) -> list[int]:
    """Of all its threads: a decoder in the place of one that ended is started by whichever needs it."""
    try:
        lists = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for text in lists for child in text.split()]


def look_at_rest(site: Site, seen: Seen) -> None:
    """Once every import has ended: are there as many files as rows?"""
    left: dict[str, Any] = {}

    def have_ended() -> bool:
        left.update(json.loads(site.manage("shell", "-v", "0", "-c", LEFT).splitlines()[-1]))
        return not left["waiting"]

    if not wait_until(have_ended, seconds=WORK_SECONDS):
        seen.wrong.append(f"{left['waiting']} imports have not ended")
    if left["differ"]:
        seen.wrong.append(f"a row without its file, or a file without its row: {left['differ']}")
    say(f"{left['rows']} pictures in rows and files; imports: {left['imports']}")


def look_at_processes(site: Site, before: dict[str, list[int]], seen: Seen) -> None:
    for role, pids in before.items():
        if site.pids(role) != pids:
            seen.wrong.append(f"the {role} was started again")


def look_at_log(site: Site, seen: Seen) -> None:
    log = site.output.read_text(errors="replace")
    seen.wrong += [f"in the log: {found}" for found in re.findall(r"Traceback[^§]{0,2000}", log)[:3]]
    say(f"{log.count('A picture was refused: ')} pictures ended their decoder")


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
