"""An installation that release 7735484 left: opened, answered from, published, rolled back, trained on, restored.

`tests/installations/` has it as an archive, with the script that made it with that release's own code, and the walk
through it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.databases import IS_POSTGRES, database_of_its_own

pytestmark = [pytest.mark.keras, pytest.mark.django_db]  # its runs train on, on both databases

ARCHIVE = ROOT / "tests" / "installations" / "7735484.tar.xz"
SAME = 1e-4  # of a probability: other processors round otherwise; where it was made the difference is 0


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies in the archive: data/, backup/, pictures/, expected.json."""
    folder = tmp_path_factory.mktemp("installation")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def expected(left: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((left / "expected.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module", params=["from its backup"] if IS_POSTGRES else ["in place", "from its backup"])
def walked(request: pytest.FixtureRequest, left: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What the walk came to: over the very folder, or over an empty machine that the backup was restored on."""
    if request.param == "in place":
        yield _walk(left, {"DATA_DIR": str(left / "data"), "DATABASE_URL": ""})
        return
    with database_of_its_own("installation") as url:
        machine = {"DATA_DIR": str(tmp_path_factory.mktemp("machine")), "DATABASE_URL": url}
        _python(["manage.py", "restore", str(left / "backup")], machine)
        yield _walk(left, machine)


def _walk(left: Path, machine: dict[str, str]) -> dict[str, Any]:
    said = _python(["-m", "tests.installations.walk", str(left / "expected.json")], machine)
    came_to: dict[str, Any] = json.loads(said)
    return came_to


def _python(arguments: list[str], machine: dict[str, str]) -> str:
    """Run by the site's own settings, not those of the tests."""
    mine = ("DISCERN_TESTS", "DJANGO_SETTINGS_MODULE", "REDIS_URL")
    env = {name: value for name, value in os.environ.items() if name not in mine}
    # No Redis runs beside the walk, and without one nobody signs in while wrong passwords are to be counted.
    env |= {**machine, "DJANGO_SETTINGS_MODULE": "webapp.settings", "RATE_LOGINS": ""}
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout


def test_every_version_answers_as_it_did(walked: Any, expected: dict[str, Any]) -> None:
    assert len(walked["scores"]) == len(expected["versions"])
    assert max(walked["scores"].values()) <= SAME
    assert walked["answered"] == expected["active_version"]


def test_its_figures_and_its_history_are_read(walked: Any, expected: dict[str, Any]) -> None:
    of_shapes = [each for each in expected["versions"] if each["recognizer"] == "shapes"]
    accuracies = {str(each["number"]): each["test_accuracy"] for each in of_shapes}

    assert walked["before"]["figures"] == pytest.approx(accuracies)
    assert walked["before"]["version_before"] == expected["version_before"]["shapes"]
    assert walked["before"]["against"] > 0
    assert walked["before"]["rows"]["Search"] == len(expected["studies"])
    assert walked["before"]["rows"]["TrainingRun"] == len(expected["runs"])


def test_every_page_that_shows_its_rows_opens_in_both_languages(walked: Any) -> None:
    assert {address: status for address, status in walked["pages"].items() if status != 200} == {}
    assert len(walked["pages"]) > 50


def test_its_versions_are_published_and_rolled_back(walked: Any) -> None:
    assert walked["publishing"] == [2, 3, 2, 1]


def test_a_zip_that_waited_and_one_whose_reader_was_killed_are_read(walked: Any) -> None:
    waited, stuck = walked["imports"]["waits"], walked["imports"]["stuck_in_reading"]

    assert (waited["state"], waited["num_taken"], waited["num_refused"]) == ("done", 10, 0)
    assert (stuck["state"], stuck["num_taken"], stuck["num_refused"]) == ("done", 10, 0)


def test_runs_that_waited_failed_or_were_tried_train_on(walked: Any) -> None:
    runs = walked["runs"]

    assert {name: each["state"] for name, each in runs.items()} == dict.fromkeys(runs, "succeeded")
    assert runs["waits"]["version"] == 4
    assert runs["failed_with_checkpoints"]["resumed_from"] > 0
    assert runs["trial_that_waits"]["version"] is None


def test_its_search_goes_on(walked: Any) -> None:
    assert walked["search"] == {"state": "searching", "waiting": 1, "best": True}
