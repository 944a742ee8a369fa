"""`manage.py add_everyday`: the recognizer that knows ImageNet's classes without a training."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.messages import UserFacingError
from training.runs.everyday import add_everyday


class Command(BaseCommand):
    help = "Add the recognizer “everyday things”, which needs no pictures. Earlier installations begin without it."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = add_everyday(None)
        except UserFacingError as error:
            raise CommandError(str(error)) from error
        if not run.has_ended:
            run.nudge()
            self.stdout.write(f"Run {run.pk} makes its version; a worker carries it out.")
        elif run.made and run.made.trouble:
            raise CommandError(f"Its version could not be published: {run.made.trouble}")
        else:
            self.stdout.write("It answers.")
