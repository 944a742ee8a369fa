"""The rows of one moment, written as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models, transaction
from django.db.migrations.recorder import MigrationRecorder

from webapp.operations.backup.contents import Show, kept_apps, kept_models


@contextmanager
def snapshot() -> Iterator[None]:
    """One moment of the database for every query within, while others go on writing."""
    connection.ensure_connection()
    is_sqlite = connection.vendor == "sqlite"
    usual_mode = getattr(connection, "transaction_mode", None)
    if is_sqlite:
        connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]  # the site's own would lock writers out
    try:
        with transaction.atomic(durable=True):
            if not is_sqlite:
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
    finally:
        if is_sqlite:
            connection.transaction_mode = usual_mode  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Rows:
    """What was written of the database."""

    at: datetime
    numbers: dict[str, int]  # by model
    migrations: dict[str, list[str]]  # by app


def write_rows(path: Path, show: Show) -> Rows:
    """All rows that are kept, and which tables they come from."""
    return Rows(datetime.now(UTC), _write_lines(path, show), _applied_migrations())


def _applied_migrations() -> dict[str, list[str]]:
    applied: dict[str, list[str]] = {app: [] for app in sorted(kept_apps())}
    for app, name in sorted(MigrationRecorder(connection).applied_migrations()):
        if app in applied:
            applied[app].append(name)
    return applied


class ExactEncoder(DjangoJSONEncoder):
    """Keeps microseconds, which Django's own cuts off."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


def _write_lines(path: Path, show: Show) -> dict[str, int]:
    """All rows as JSON lines. Returns: their number by model."""
    numbers: dict[str, int] = {}
    with path.open("w", encoding="utf-8") as file:
        for model in kept_models():
            rows = model._base_manager.order_by("pk")
            numbers[model._meta.label] = rows.count()
            show(f"{sum(numbers.values()):,} rows")
            serializers.get_serializer("jsonl")().serialize(
                rows.iterator(), stream=file, cls=ExactEncoder, use_natural_foreign_keys=_names_numbered_rows(model)
            )
    return numbers


def _names_numbered_rows(model: type[models.Model]) -> bool:
    """Whether it names rows that every database numbers for itself; they are named by their natural keys."""
    return any(field.related_model in (Permission, ContentType) for field in model._meta.get_fields())
