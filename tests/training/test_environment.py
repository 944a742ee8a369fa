"""What a training was made with is said in full."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from training.devices import Device
from training.environment import LIBRARIES, environment_of, git_revision

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def git(tmp_path: Path) -> Path:
    """The .git folder of a checkout whose branch is at COMMIT."""
    folder = tmp_path / ".git"
    (folder / "refs" / "heads").mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "refs" / "heads" / "main").write_text(f"{COMMIT}\n")
    return folder


def test_versions_processor_and_device_are_named() -> None:
    environment = environment_of(Device("cpu", "Some CPU × 2", "float32"))

    assert environment["python"] == platform.python_version()
    assert all(environment[name][0].isdigit() for name in LIBRARIES)
    assert (environment["device"], environment["precision"]) == ("Some CPU × 2", "float32")
    assert environment["cores"] >= 1


def test_the_revision_is_that_of_the_branch(git: Path, tmp_path: Path) -> None:
    assert git_revision(tmp_path) == COMMIT


def test_the_revision_of_a_packed_branch_is_found(git: Path, tmp_path: Path) -> None:
    (git / "refs" / "heads" / "main").unlink()
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{COMMIT} refs/heads/main\n")

    assert git_revision(tmp_path) == COMMIT


def test_the_revision_of_a_single_commit_that_is_checked_out_is_itself(git: Path, tmp_path: Path) -> None:
    (git / "HEAD").write_text(f"{COMMIT}\n")

    assert git_revision(tmp_path) == COMMIT


def test_the_revision_of_a_worktree_is_that_of_its_branch(git: Path, tmp_path: Path) -> None:
    own = git / "worktrees" / "other"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    (own / "commondir").write_text("../..\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".git").write_text(f"gitdir: {own}\n")

    assert git_revision(tmp_path / "other") == COMMIT


def test_code_that_is_no_checkout_has_no_revision(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == ""
