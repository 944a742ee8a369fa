"""Puts a backup into an empty installation: everything is checked before anything changes, the rows come last."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from django.apps import apps as current_apps
from django.apps.registry import Apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.color import no_style
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.core.serializers.base import DeserializationError, DeserializedObject
from django.core.serializers.python import Deserializer
from django.db import DEFAULT_DB_ALIAS, connection, models, transaction
from django.db import Error as DatabaseTrouble
from django.db.migrations.exceptions import InvalidMigrationPlan, IrreversibleError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from training.artifacts.files import sha256_of
from training.messages import N_, UserFacingError
from training.models import PictureImport, TrainingRun
from training.models.leases import Leased
from webapp.errors import NoBackup, NotRestorable
from webapp.operations.backup.contents import (
    DESCRIPTION,
    FILES,
    ROWS,
    SUMS,
    Description,
    Show,
    discern_version,
    kept_models,
    read_sums,
    show_nobody,
)
from webapp.operations.backup.stored_files import BATCH, STORE_TROUBLE, store_files

ROWS_AT_ONCE = 200
MISFITS = (DeserializationError, InvalidMigrationPlan, IrreversibleError)
OUR_APPS = ("training", "classifier")  # whose rows are loaded into the tables they come from, then migrated on


def restore_backup(folder: Path, show: Show = show_nobody) -> Description:
    """Put a backup into this installation, whose database must be empty.

    Raises: NoBackup or NotRestorable; the database is as empty then as it was, and the backup can be restored again.
    """
    description = Description.load(folder)
    _refuse_newer(folder, description)
    _refuse_unless_empty()
    names = _checked_files(folder, description, show)
    with _translated_errors():
        apps = _migrate_to(description)
        store_files(folder / FILES, names, show)
        _load(folder / ROWS, apps, description, show)
        call_command("migrate", verbosity=0, interactive=False)
        _release_work(description)
    return description


# --- before anything changes
def _refuse_newer(folder: Path, description: Description) -> None:
    """A backup of tables that this code does not know yet. Raises: NotRestorable."""
    known = MigrationLoader(None).disk_migrations
    strange = [f"{app}.{name}" for app, names in description.migrations.items() for name in names]
    strange = [each for each in strange if tuple(each.split(".")) not in known]
    if strange:
        raise NotRestorable(
            N_(
                "%(folder)s was made by Discern %(theirs)s, whose tables this Discern %(own)s does not know "
                "(%(migrations)s). Install that version or a newer one, and restore there."
            ),
            folder=str(folder),
            theirs=description.discern,
            own=discern_version(),
            migrations=", ".join(strange),
        )


def _refuse_unless_empty() -> None:
    """Raises: NotRestorable saying how much is there, or that no database answers."""
    try:
        tables = set(connection.introspection.table_names())
        counts = {
            model._meta.verbose_name_plural: model._base_manager.count()
            for model in kept_models()
            if model._meta.db_table in tables
        }
    except DatabaseTrouble as error:
        raise NotRestorable(
            N_("The database does not answer: %(reason)s. See to it and try again."), reason=str(error).strip()
        ) from error
    if any(counts.values()):
        raise NotRestorable(
            N_(
                "A backup goes into an empty installation only, and this one holds %(found)s. "
                "Name another DATA_DIR or DATABASE_URL, or empty it with manage.py flush if nothing of it is needed."
            ),
            found=", ".join(f"{count:,} {name}" for name, count in counts.items() if count),
        )


def _checked_files(folder: Path, description: Description, show: Show) -> list[str]:
    """Names in the store of all files of a backup, once every one is found whole. Raises: NoBackup."""
    try:
        sums = dict(read_sums(folder))
        broken = [name for name in _counted(sums, show, "checked") if sha256_of(folder / name) != sums[name]]
    except OSError as error:
        raise _damaged(folder, f"{error.filename}: {error.strerror}") from error
    if broken:
        raise _damaged(folder, f"{', '.join(broken[:3])}{' …' if len(broken) > 3 else ''}")
    files = [name.removeprefix(f"{FILES}/") for name in sums if name.startswith(f"{FILES}/")]
    if len(files) != description.num_files or not {ROWS, DESCRIPTION} <= sums.keys():
        raise _damaged(folder, f"{SUMS}: {len(files)}, {DESCRIPTION}: {description.num_files}")
    return files


def _counted(names: Collection[str], show: Show, done: str) -> Iterator[str]:
    for number, name in enumerate(names, start=1):
        yield name
        if number % BATCH == 0 or number == len(names):
            show(f"{number:,} of {len(names):,} files {done}")


def _damaged(folder: Path, what: str) -> NoBackup:
    return NoBackup(
        N_(
            "%(folder)s is damaged, a file is missing or has changed since the backup was taken (%(what)s). "
            "Nothing has been restored; use another backup."
        ),
        folder=str(folder),
        what=what,
    )


# --- the tables
def _migrate_to(description: Description) -> Apps:
    """Make our tables as they were when the backup was taken.

    Django's own are made as they are now: what they gain stays empty in older rows.
    Returns: the models of that time.
    """
    executor = MigrationExecutor(connection)
    newest = dict(executor.loader.graph.leaf_nodes())
    theirs = {app: max(description.migrations[app]) for app in OUR_APPS}
    targets = list((newest | theirs).items())
    plan = executor.migration_plan(targets)
    emit_pre_migrate_signal(0, False, DEFAULT_DB_ALIAS, plan=plan)  # content types are renamed with their models
    state = executor.migrate(targets, plan)
    emit_post_migrate_signal(0, False, DEFAULT_DB_ALIAS, apps=state.apps)  # content types, permissions: rows name them
    ContentType.objects.clear_cache()
    _take_times_as_they_come(state.apps)
    return state.apps


def _take_times_as_they_come(apps: Apps) -> None:
    """These models are used for loading alone, and no row is new."""
    for model in apps.get_models():
        for field in model._meta.fields:
            if isinstance(field, models.DateField):
                field.auto_now = field.auto_now_add = False


class RowReader(Deserializer):
    """Reads rows into the models they were written from: ours of that time, Django's of today."""

    def __init__(self, rows: Iterable[dict[str, Any]], apps: Apps) -> None:
        super().__init__(rows)
        self.apps = apps

    def _get_model_from_node(self, label: str) -> type[models.Model]:
        is_ours = label.partition(".")[0] in OUR_APPS
        return (self.apps if is_ours else current_apps).get_model(label)


def _load(path: Path, apps: Apps, description: Description, show: Show) -> None:
    """All rows, or none."""
    number = 0
    with transaction.atomic(), path.open(encoding="utf-8") as lines:
        for _, of_one_model in groupby(map(json.loads, lines), key=itemgetter("model")):
            rows = iter(RowReader(of_one_model, apps))  # may look up by name what the models before have loaded
            while some := list(islice(rows, ROWS_AT_ONCE)):
                _insert(some)
                number += len(some)
                show(f"{number:,} of {description.num_rows:,} rows")
        _reset_sequences(apps)


def _insert(rows: list[DeserializedObject]) -> None:
    model = type(rows[0].object)
    try:
        model._base_manager.bulk_create([row.object for row in rows])
        for row in rows:
            for name, named in (row.m2m_data or {}).items():
                getattr(row.object, name).set(named)
    except DatabaseTrouble as error:
        raise NotRestorable(
            N_(
                "Among the rows %(model)s %(first)s to %(last)s is one that does not fit this database: %(reason)s. "
                "No row has been loaded."
            ),
            model=model._meta.label,
            first=rows[0].object.pk,
            last=rows[-1].object.pk,
            reason=str(error).partition("\n")[0],  # PostgreSQL adds the whole row
        ) from error


def _reset_sequences(apps: Apps) -> None:
    """Let PostgreSQL number new rows after those that came with their numbers; SQLite does so by itself."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(apps.get_models())):
            cursor.execute(statement)


def _release_work(description: Description) -> None:
    """What was being worked on waits again: the process that held it is not on this machine."""
    why = UserFacingError(
        N_("The site was restored from a backup of %(when)s while it was being carried out."), when=description.made_at
    )
    for held in (TrainingRun.objects.active(), PictureImport.objects.active()):
        held.filter(cancel_requested=True).update(state=Leased.CANCELLED, ended_at=timezone.now())
        held.update(state=Leased.QUEUED, owner="", attempts=0, interruption_sentence=why.sentence)


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Raises: NotRestorable for what disk, store and database refuse."""
    try:
        yield
    except (OSError, DatabaseTrouble, *STORE_TROUBLE, *MISFITS) as error:
        raise NotRestorable(
            N_("The restoring broke off: %(reason)s. Correct that and restore again, into the same installation."),
            reason=str(error).strip() or type(error).__name__,
        ) from error
