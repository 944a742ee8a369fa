"""A job that an earlier release called a rehearsal is a dry run for this one."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[3]
AN_EARLIER_RELEASE = """
import django
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
call_command("migrate", "training", "0003", verbosity=0)
state = MigrationExecutor(connection).loader.project_state([("training", "0003_training_one_can_trust")])
get_model = state.apps.get_model
recognizer = get_model("training", "Recognizer").objects.create(slug="shapes", name_en="Shapes")
for kind in ("review", "rehearsal", "inspection"):
    get_model("training", "Job").objects.create(recognizer=recognizer, kind=kind)
call_command("migrate", verbosity=0)
"""


def test_a_rehearsal_of_an_earlier_release_becomes_a_dry_run(tmp_path: Path) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'old.sqlite3'}",
    }

    subprocess.run([sys.executable, "-c", AN_EARLIER_RELEASE], cwd=ROOT, env=environment, check=True)

    with closing(sqlite3.connect(tmp_path / "old.sqlite3")) as database:
        kinds = [kind for (kind,) in database.execute("SELECT kind FROM training_job ORDER BY id")]
    assert kinds == ["review", "dry_run", "inspection"]
