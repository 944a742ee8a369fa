"""Who still has the password that the first start made: it stands in whatever kept that start's output.

A group says so: its rows go with backups and to every host, and an installation of an earlier release has none. No
password is kept.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

GROUP = "still has the first password"


def mark(user: User) -> None:
    group, _created = Group.objects.get_or_create(name=GROUP)
    user.groups.add(group)


def has_first_password(user: User) -> bool:
    return user.is_superuser and user.groups.filter(name=GROUP).exists()  # the first account is one


class AnotherPassword:
    """Among AUTH_PASSWORD_VALIDATORS, which Django tells of every change, by whatever page or command."""

    def validate(self, password: str, user: Any = None) -> None:
        if user is not None and user.pk and check_password(password, user.password):
            raise ValidationError(_("This is the password already. Choose another."), code="password_unchanged")

    def get_help_text(self) -> str:
        return _("It has to be another than before.")

    def password_changed(self, password: str, user: Any = None) -> None:
        user.groups.through.objects.filter(user=user, group__name=GROUP).delete()
