"""What is shipped beside our own code: listed, under licences that may go along, and without secrets."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from supply_chain.__main__ import secrets
from supply_chain.shipped import PINNED, REQUIREMENTS, VENDORED, Component, bill_of_materials, not_allowed, vendored

FOLDERS = sorted(path for path in VENDORED.iterdir() if path.is_dir())
README = (VENDORED / "README.md").read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_vendored_file_is_listed_and_lies_beside_its_licence(folder: Path) -> None:
    files = {path.name for path in folder.rglob("*") if path.is_file()}

    assert len((folder / "LICENSE").read_text()) > 200
    assert [name for name in files - {"LICENSE"} if f"{name}`" not in README] == []


@pytest.mark.parametrize("component", vendored(), ids=lambda component: component.name)
def test_a_vendored_file_has_the_version_that_is_listed(component: Component) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| {component.name} |"))
    names = [name.rpartition("/")[2] for name in re.findall(r"`(dist/[^`]+)`", row)]

    texts = [path.read_text() for name in names for path in VENDORED.rglob(name)]

    assert len(texts) == len(names) > 0
    assert [names for text in texts if component.version not in text] == []


def test_all_that_is_vendored_is_listed() -> None:
    assert len(vendored()) == len(FOLDERS) > 0


@pytest.mark.parametrize(
    "licence", ["GPL-3.0-only", "MIT AND GPL-2.0-only", "UNKNOWN", "AGPL-3.0-only OR GPL-3.0-only"]
)
def test_a_licence_that_may_not_go_along_is_named(licence: str) -> None:
    wrong = Component("wrong", "1.0", licence, "pkg:pypi/wrong@1.0")

    assert not_allowed([wrong]) == [f"wrong 1.0: {licence}"]


def test_one_of_two_licences_is_enough() -> None:
    assert not_allowed([Component("either", "1.0", "GPL-3.0-only OR (MIT AND BSD-3-Clause)", "")]) == []


def test_the_bill_of_materials_has_everything_that_is_shipped() -> None:
    bill = bill_of_materials()

    listed = {(each["name"], each["version"]) for each in bill["components"]}
    pinned = set(PINNED.findall(REQUIREMENTS.read_text()))
    assert (bill["bomFormat"], pinned - listed) == ("CycloneDX", set())
    assert {(each.name, each.version) for each in vendored()} <= listed
    assert all("licenses" in each for each in bill["components"] if each["name"] in ("django", "htmx"))


def test_a_key_that_is_committed_is_found(tmp_path: Path) -> None:
    key = "AKIA" + "Q3EGXZ7L5WPT2MND"  # in one piece it would be found here too
    (tmp_path / "settings.py").write_text(f'access = "{key}"\n')
    subprocess.run("git init -q . && git add .", shell=True, cwd=tmp_path, check=True)  # noqa: S602

    assert "settings.py:1" in secrets(tmp_path)
