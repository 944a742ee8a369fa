"""What a row was like when somebody opened its form; the form carries it, signed, in the field `opened`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.core import signing
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from training.models.edits import Edited

Row = TypeVar("Row", bound=Edited)
FIELD = "opened"


@dataclass(frozen=True)
class Opened:
    """A row as it was opened."""

    pk: int
    values: dict[str, Any]
    changed_at: str | None

    @classmethod
    def now(cls, row: Edited) -> Opened:
        return cls(row.pk, row.edited(), row.changed_at.isoformat() if row.changed_at else None)

    @classmethod
    def read(cls, sent: Mapping[str, Any], row: Edited) -> Opened:
        """What a form of this row carries. One that carries nothing, of an earlier release, counts as opened now."""
        opened = _read(sent, type(row))
        return opened if opened and opened.pk == row.pk else cls.now(row)


def signed(row: Edited) -> str:
    """The value of the field."""
    return signing.dumps(vars(Opened.now(row)), salt=_salt(type(row)))


def _read(sent: Mapping[str, Any], model: type[Edited]) -> Opened | None:
    try:
        return Opened(**signing.loads(sent.get(FIELD, ""), salt=_salt(model)))
    except signing.BadSignature:
        return None


def _salt(model: type[Edited]) -> str:
    return f"{FIELD} {model._meta.label_lower}"


def get_opened_or_404(request: HttpRequest, rows: QuerySet[Row], **address: Any) -> Row:
    """The row that a form was opened for, also where its address is another by now; else that at the address."""
    opened = _read(request.POST, rows.model)
    return get_object_or_404(rows, **({"pk": opened.pk} if opened else address))


@dataclass(frozen=True)
class Meanwhile:
    """What has become of a row since it was opened; `by` and `at` are None where a page was not what changed it."""

    by: User | None
    at: datetime | None
    changes: list[tuple[str, str]]  # name of a field, what it is now

    @classmethod
    def since(cls, opened: Opened, row: Edited, names: Mapping[str, object]) -> Meanwhile:
        """`names`: how the page calls each field that it can change."""
        now = Opened.now(row)
        is_recorded = now.changed_at != opened.changed_at
        changes = [(str(names[name]), said) for name, said in _changes(opened, row)]
        return cls(row.changed_by, row.changed_at, changes) if is_recorded else cls(None, None, changes)


def _changes(opened: Opened, row: Edited) -> Iterable[tuple[str, str]]:
    for name, value in row.edited().items():
        if value != opened.values[name]:
            yield name, _said(getattr(row, name.removesuffix("_id")))


def _said(value: Any) -> str:
    if value is None:
        return _("not said")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    name = str(getattr(value, "name", value))
    return f"“{name}”" if name else _("empty")
