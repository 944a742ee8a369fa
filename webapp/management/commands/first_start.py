"""`manage.py first_start`: what an installation needs once; at every later start it finds all of it done."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from training.data.members import Member
from training.library.intake import add_pictures
from training.models import Recognizer, TrainingRun
from training.runs.supervisor import carry_out
from webapp.first_password import mark

STAFF_NAME = "staff"


class Command(BaseCommand):
    help = "Migrate, collect static files, make the first staff account and the starter recognizer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-starter", action="store_true", help="leave the starter recognizer out")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        call_command("collectstatic", "--no-input", verbosity=0)
        self._make_staff_account()
        if not options["no_starter"]:
            self._make_starter()

    def _make_staff_account(self) -> None:
        if User.objects.filter(is_staff=True).exists():
            return
        password = secrets.token_urlsafe(12)
        with transaction.atomic():
            mark(User.objects.create_superuser(STAFF_NAME, password=password))
        self.stdout.write(
            f"\n  First login: {STAFF_NAME}\n  Password:    {password}   (shown this once)\n"
            "  Sign in and change it: whatever keeps this output keeps the password.\n\n"
        )

    def _make_starter(self) -> None:
        """The digits, unless the installation has recognizers.

        A start that was cut off in the training leaves a run that waits, or will soon be missed: a worker goes on with
        it while the site is ready already.
        """
        if Recognizer.objects.exclude(slug="digits", versions=None).exists():
            return
        if TrainingRun.objects.unfinished().exists():
            self.stdout.write("The training of the starter recognizer was cut off; a worker goes on with it.")
            return
        self.stdout.write("Training the starter recognizer on 1,797 handwritten digits; this takes a minute or two.")
        run = start_digits()
        carry_out(run)
        run.refresh_from_db()
        if run.state != TrainingRun.State.SUCCEEDED:
            self.stderr.write(f"The starter recognizer could not be trained: {run.error}")


def start_digits() -> TrainingRun:
    """The starter recognizer with its pictures and a queued run that will publish its version."""
    from training.library.starter import STARTER_CONFIG

    with transaction.atomic():
        recognizer, _ = Recognizer.objects.get_or_create(
            slug="digits",
            defaults={
                "name_en": "Handwritten digits",
                "name_zh": "手写数字",
                "description_en": "Draw a digit from 0 to 9, or send a photo of one.",
                "description_zh": "写一个 0 到 9 的数字，或者上传一张数字的照片。",
                "is_drawn": True,
            },
        )
        for line in add_pictures(recognizer, _digits(), None):
            del line  # after a start that was cut off, the pictures that are there already are refused
        return recognizer.runs.create(config=STARTER_CONFIG.to_dict(), publish_when_done=True)


def _digits() -> Iterator[Member]:
    from training.library.starter import digit_pictures  # scikit-learn, which no later start needs

    for name, label, data in digit_pictures():
        yield Member(name, label, partial(bytes, data))
