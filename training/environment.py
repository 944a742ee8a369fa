"""What a training was made with: library versions, processor, device and revision of the code.

Kept with the row and in the H5, beside config, seed and the manifest's hash, so that a training can be made again.
"""

from __future__ import annotations

import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from training.devices import Device, cpu_name
from training.hardware import num_cores

LIBRARIES = ("tensorflow", "keras", "numpy", "openvino")
CHECKOUT = Path(__file__).parent.parent
MADE_WHILE_INSTALLING = Path(sys.prefix) / "share" / "discern"  # by `training/runs/prebuilt.py`


def environment_of(device: Device) -> dict[str, Any]:
    """All that may change the outcome of the same config on the same pictures, as a row's JSON.

    Returns: `python` and each of LIBRARIES with its version ("" where it is not installed), `device`, `precision` (a
        Keras dtype policy), `cpu`, `cores`, and `git_revision` ("" where the code is no checkout).
    """
    return {
        "python": platform.python_version(),
        **{name: _version_of(name) for name in LIBRARIES},
        "device": device.name,
        "precision": device.precision,
        "cpu": cpu_name(),
        "cores": num_cores(),
        "git_revision": git_revision(),
    }


def _version_of(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


@cache
def git_revision(checkout: Path = CHECKOUT) -> str:
    """Hash of the commit that is checked out, read from .git itself: a container may have the code but not git.

    Read once a process, whose code stays what it was though another commit may be checked out meanwhile.

    Returns: 40 hexadecimal digits; "" where the folder is no checkout.
    """
    try:
        folder = _git_folder(checkout / ".git")
        head = (folder / "HEAD").read_text().strip()
        return _commit_of(head.removeprefix("ref: "), folder) if head.startswith("ref: ") else head
    except OSError:
        return ""


def _git_folder(path: Path) -> Path:
    """.git itself, or where it points in a worktree."""
    if path.is_dir():
        return path
    return path.parent / path.read_text().strip().removeprefix("gitdir: ")


def _commit_of(reference: str, folder: Path) -> str:
    """The commit a branch is at; branches of a worktree lie in the checkout it belongs to."""
    common = folder / "commondir"
    home = folder / common.read_text().strip() if common.is_file() else folder
    if (home / reference).is_file():
        return (home / reference).read_text().strip()
    lines = (home / "packed-refs").read_text().splitlines()
    return next((line.split()[0] for line in lines if line.endswith(f" {reference}")), "")
