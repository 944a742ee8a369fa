"""Rows that several people may be editing at once: who changed one last, and changes that overwrite nobody unseen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone


class Edited(models.Model):
    """A row that staff edit on a page."""

    EDITED: ClassVar[tuple[str, ...]]  # the fields a page can change

    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    changed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    def edited(self) -> dict[str, Any]:
        """What a page can change of it, as it is now."""
        return {name: getattr(self, name) for name in self.EDITED}

    def change(self, values: Mapping[str, Any], by: User, opened: Mapping[str, Any]) -> bool:
        """Write values, unless the row has others by now than those in `opened`: one statement decides.

        Returns: whether they were written.
        """
        rows = type(self)._default_manager.filter(pk=self.pk, **opened)
        return bool(rows.update(**values, changed_by=by, changed_at=timezone.now()))

    def delete_unless_changed(self, opened: Mapping[str, Any]) -> bool:
        """Delete it, unless the row has other values by now than those in `opened`.

        Returns: whether it was deleted. Raises: RestrictedError where rows that stay hang on it.
        """
        rows = type(self)._default_manager.select_for_update()
        with transaction.atomic():
            as_opened = rows.filter(pk=self.pk, **opened).first()
            if as_opened is not None:
                as_opened.delete()
        return as_opened is not None
