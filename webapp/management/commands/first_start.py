"""`manage.py first_start`: what an installation needs once; at every later start it finds all of it done."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from training.models import Recognizer
from webapp.first_password import mark

STAFF_NAME = "staff"


class Command(BaseCommand):
    help = "Migrate, collect static files, make the first staff account and the recognizers to begin with."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-starter", action="store_true", help="leave the recognizers to begin with out")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        call_command("collectstatic", "--no-input", verbosity=0)
        if not User.objects.filter(is_staff=True).exists():
            self._begin(with_starters=not options["no_starter"])

    def _begin(self, *, with_starters: bool) -> None:
        """The staff account and the recognizers in one transaction: what is cut off begins anew at the next start.

        So where there is an account this has been done, and a recognizer that was deleted since does not come back.
        """
        password = secrets.token_urlsafe(12)
        with transaction.atomic():
            mark(User.objects.create_superuser(STAFF_NAME, password=password))
            said = add_starters() if with_starters and not Recognizer.objects.exists() else ""
        self.stdout.write(
            f"\n  First login: {STAFF_NAME}\n  Password:    {password}   (shown this once)\n"
            f"  Sign in and change it: whatever keeps this output keeps the password.\n\n{said}"
        )


def add_starters() -> str:
    """Everyday things and the digits. Returns: what is ready, and what will be, in sentences for the terminal."""
    from training.library.digits import add_digits  # scikit-learn and more, which no later start needs
    from training.runs.everyday import add_everyday

    version = add_everyday(None).made
    add_digits()
    if version is None:
        everyday = "Everyday things is made in the background, in about a minute."
    elif version.trouble:
        everyday = f"Everyday things could not be published: {version.trouble}"
    else:
        everyday = "Everyday things answers photos as soon as the site is up."
    return (
        f"{everyday}\nHandwritten digits is trained in the background, in some minutes: watch it under Training runs.\n"
    )
