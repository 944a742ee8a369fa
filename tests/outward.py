"""What processes look up and connect to: noted by Python's audit events, and by the system's calls where strace may."""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WATCHED = Path(__file__).parent / "watched"
QUIETENED_BY = ("CI", "TF_BUILD", "JENKINS_URL", "DO_NOT_TRACK")  # libraries report less where these are set
DNS = 53
RESOLVED = "io.systemd.Resolve"  # the socket through which systemd looks names up
# strace: connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}, 16) = 0
CONNECT = re.compile(r'sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|AF_INET6, )"([^"]+)"')


@dataclass(frozen=True)
class Watch:
    """Keeps what the processes of one environment do, in a folder that is their home folder too."""

    folder: Path

    def environment(self, env: dict[str, str]) -> dict[str, str]:
        """The same, watched, at home in an empty folder, and with nothing that keeps a library quiet."""
        self.home.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in env.items() if name not in (*QUIETENED_BY, "KERAS_HOME")}
        return {**kept, "PYTHONPATH": str(WATCHED), "OUTWARD_LOG": str(self.log), "HOME": str(self.home)}

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def log(self) -> Path:
        return self.folder / "audit.jsonl"

    @property
    def trace(self) -> Path:
        return self.folder / "strace.txt"

    @property
    def tracer(self) -> tuple[str, ...]:
        """Starts a command whose processes are watched below Python too; empty where strace is absent or may not."""
        command = ("strace", "--daemonize=grandchild", "--follow-forks", "--seccomp-bpf", "--quiet=all")
        chosen = (*command, "--trace=connect,sendto,sendmsg,sendmmsg", f"--output={self.trace}")
        may = shutil.which("strace") and subprocess.run([*chosen, "true"], capture_output=True, check=False)
        return chosen if may and may.returncode == 0 else ()

    def started(self) -> dict[int, str]:
        """The command line of each Python process that was watched, by its id."""
        return {each["pid"]: each["command"] for each in self._noted() if each["event"] == "started"}

    def outward(self) -> list[str]:
        """Everything that went, or would have gone, beyond this machine."""
        noted = [
            f"{each['event']} {each['target']} by {each['command']}"
            for each in self._noted()
            if each["event"] != "started" and not _stays_here(each["target"])
        ]
        traced = [
            line
            for line in (self.trace.read_text(errors="replace").splitlines() if self.trace.exists() else [])
            if RESOLVED in line
            or ((found := CONNECT.search(line)) and (int(found[1]) == DNS or not _is_loopback(found[2])))
        ]
        return noted + traced

    def _noted(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


def _stays_here(target: Any) -> bool:
    """Whether a name or an address is of this very machine; a Unix socket's path is."""
    if isinstance(target, list):  # (address, port, …)
        return _is_loopback(str(target[0])) and target[1] != DNS
    return target is None or str(target).startswith("/") or _is_loopback(str(target))


def _is_loopback(host: str) -> bool:
    if host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
