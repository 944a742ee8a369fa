"""`python -m tests`: every test, in parts that run beside each other, and at the end what came of each."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

from tests.browser.chromium import fetch_where_missing
from tests.once import SHARED

ROOT = Path(__file__).parent.parent
PLAIN = "not keras and not browser and not faults"
TRAINING = "tests/training"
# TensorFlow's tests run in a process of their own. The longest begin first, so that none is left for the end alone;
# those with faults often wait for a lease to run out, which costs nothing beside others.
PARTS = {
    "keras": ("-m", "keras"),
    "faults": ("-m", "faults", "tests/faults"),
    "training": ("-m", PLAIN, TRAINING),
    "site": ("-m", PLAIN, f"--ignore={TRAINING}"),
    "browser": ("-m", "browser", "tests/browser"),
}

LINES_OF_A_FAILURE = 20


@dataclass
class Part:
    """Something that runs in a process of its own; its output is shown as a whole when it has ended."""

    name: str
    command: Sequence[str]
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    code: int | None = None
    seconds: float = 0.0

    @property
    def output(self) -> Path:
        return self.folder / f"{self.name}.txt"

    @property
    def results(self) -> Path:
        return self.folder / f"{self.name}.xml"

    def start(self) -> None:
        self.began = time.monotonic()
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=os.environ | self.env, stdout=output, stderr=subprocess.STDOUT
            )

    def has_ended(self) -> bool:
        self.code = self.process.poll()
        self.seconds = time.monotonic() - self.began
        return self.code is not None

    def failures(self) -> list[str]:
        """Each test that failed, with the end of what pytest says of it; the same for a part that broke off."""
        if not self.results.exists():
            return [f"{self.name} broke off with {self.code}:\n{_end_of(self.output.read_text(errors='replace'))}"]
        return [
            f"{self.name}: {case.get('classname')}.{case.get('name')}\n{_end_of(said.text or said.get('message'))}"
            for case in ElementTree.parse(self.results).iter("testcase")  # noqa: S314  pytest's own
            for said in (*case.iter("failure"), *case.iter("error"))
        ]

    def count(self) -> tuple[Counter[str], Counter[str]]:
        """How many passed, failed and were skipped, and why they were; a part that broke off counts as one failure."""
        if not self.results.exists():
            return Counter({"failed": int(self.code != 0)}), Counter()
        tests: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        for case in ElementTree.parse(self.results).iter("testcase"):  # noqa: S314  pytest's own
            skipped = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                tests["failed"] += 1
            elif skipped is not None:
                tests["skipped"] += 1
                reasons[skipped.get("message", "")] += 1
            else:
                tests["passed"] += 1
        if self.code and not tests["failed"]:
            tests["failed"] += 1
        return tests, reasons


def _end_of(text: str | None) -> str:
    return "\n".join((text or "").rstrip().splitlines()[-LINES_OF_A_FAILURE:])


def parts_of_pytest(folder: Path, suffix: str, options: Sequence[str], database_url: str, redis_url: str) -> list[Part]:
    """The parts on one database and one Redis, in which each has keys of its own."""
    parts = []
    for number, (name, chosen) in enumerate(PARTS.items()):
        part = Part(name + suffix, (), folder)
        # a folder of its own: where they share pytest's, one removes what another is removing, and both fail
        own = (f"--basetemp={folder / part.name}", f"--junitxml={part.results}")
        part.command = (sys.executable, "-m", "pytest", *chosen, *options, *own)
        part.env = {"DATABASE_URL": database_url} if database_url else {}
        part.env |= {"REDIS_URL": urlsplit(redis_url)._replace(path=f"/{number}").geturl()} if redis_url else {}
        parts.append(part)
    return parts


def run_beside_each_other(parts: Sequence[Part], jobs: int) -> None:
    waiting, running = list(parts), list[Part]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                waiting[0].start()
                running.append(waiting.pop(0))
                say(f"== {running[-1].name} begins: {shlex.join(running[-1].command)}")
            time.sleep(0.2)
            for part in [part for part in running if part.has_ended()]:
                running.remove(part)
                say(part.output.read_text(errors="replace"))
                say(f"== {part.name} has ended with {part.code} after {part.seconds:.0f} s\n")
    finally:
        for part in running:  # after Ctrl-C, which tidies up in them as well
            part.process.send_signal(signal.SIGINT)
        for part in running:
            part.process.wait()


def summarize(parts: Sequence[Part]) -> bool:
    """A line for each part, what failed, one line for all of them, then what was skipped; whether all of it is well."""
    total: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    width = max(len(part.name) for part in parts)
    for part in parts:
        tests, why = part.count()
        total += tests
        reasons += why
        said = ", ".join(f"{tests[word]} {word}" for word in ("passed", "failed", "skipped") if tests[word])
        broken_off = "" if part.results.exists() or not part.code else f", broke off with {part.code}"
        say(f"{part.name:{width}}  {part.seconds:5.0f} s  {said or 'passed'}{broken_off}")
    for part in parts:
        if part.code:
            say("\n" + "\n\n".join(part.failures()) + "\n")
    say(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    if reasons:
        say("Skipped: " + "; ".join(f"{number} for {reason}" for reason, number in reasons.items()))
    return not any(part.code for part in parts)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument(
        "--also-on",
        nargs=2,
        metavar=("DATABASE_URL", "REDIS_URL"),
        help="again there what may touch a database or starts the site",
    )
    parser.add_argument("--beside", metavar="COMMAND", help="a command that must succeed as well, such as 'make check'")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1 + (os.cpu_count() or 1),
        help="how many parts at once; one more than cores: some wait for a lease to end",
    )
    chosen = parser.parse_args(arguments)

    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored below a shell's &, and would be by the parts
        signal.signal(number, signal.default_int_handler)
    os.nice(19)  # trainers are nicer than others: beside tests that are not, the browser's would wait minutes for one
    fetch_where_missing()
    with tempfile.TemporaryDirectory(prefix="discern-shared-") as shared:
        os.environ[SHARED] = shared
        folder = Path(shared)
        parts = parts_of_pytest(folder, "", (), os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", ""))
        if chosen.also_on:
            parts += parts_of_pytest(folder, "-again", ("--database-only",), *chosen.also_on)
        if chosen.beside:
            parts.insert(0, Part("beside", shlex.split(chosen.beside), folder))
        run_beside_each_other(parts, chosen.jobs)
        return 0 if summarize(parts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
