"""`manage.py train SLUG`: one training run in the foreground, without Celery."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from training.config.choices import NETWORKS
from training.config.presets import PRESETS
from training.hardware import this_machine
from training.management.progress import ProgressLine
from training.messages import UserFacingError
from training.models import Recognizer, TrainingRun
from training.runs import supervisor
from training.runs.requests import RunRequest


class Command(BaseCommand):
    help = "Train a network on a recognizer's pictures and wait for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the recognizer's address name")
        parser.add_argument("--preset", default="", choices=PRESETS, help="how thoroughly; by default as --set says")
        parser.add_argument(
            "--network",
            default="",
            choices=NETWORKS,
            help="by default efficientnetlite0, or with a preset the best of those at hand",
        )
        parser.add_argument(
            "--set",
            nargs="+",
            action="extend",
            default=[],
            metavar="NAME=VALUE",
            help="settings, such as epochs=20 filters=32,64 augmentation=flip,zoom",
        )
        parser.add_argument("--gpu", action="store_true", help="refuse to begin where this machine has no GPU")
        parser.add_argument("--publish", action="store_true", help="publish the version when it is done")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            recognizer = Recognizer.objects.named(options["slug"])
            request = RunRequest.of(
                recognizer, preset=options["preset"], network=options["network"], settings=_settings(options["set"])
            )
        except UserFacingError as error:
            raise CommandError(str(error)) from error
        if options["gpu"] and not this_machine().has_gpu:
            raise CommandError("TensorFlow sees no GPU on this machine. Leave --gpu out to train on its CPU.")
        run = recognizer.runs.create(**request.values(), needs_gpu=options["gpu"], publish_when_done=options["publish"])
        self.progress = ProgressLine(self.stderr._out)  # type: ignore[arg-type]
        self.epochs_shown = 0
        self.choice_shown = ""
        try:
            self._supervise(run)
        except KeyboardInterrupt:
            run.refresh_from_db()
            run.end_cancelled()
            raise CommandError("Cancelled.") from None
        self.progress.end()
        self._conclude(run)

    def _supervise(self, run: TrainingRun) -> None:
        """Carry the run out until it has ended: one that was cut off waits again, and goes on here."""
        while not run.has_ended:
            if not supervisor.carry_out(run, self._show, has_gpu=run.needs_gpu):
                raise CommandError(f"A worker has taken run {run.pk} over; its page shows how it goes.")
            run.refresh_from_db()

    def _show(self, run: TrainingRun) -> None:
        self._show_choice(run)
        self._show_epochs(run)
        self.progress.show(f"{run.get_state_display()} …")

    def _show_choice(self, run: TrainingRun) -> None:
        if run.choice != self.choice_shown:
            self.progress.end()
            self.choice_shown = run.choice
            self.stdout.write(run.choice)

    def _show_epochs(self, run: TrainingRun) -> None:
        self.epochs_shown = min(self.epochs_shown, run.epochs_done)  # an attempt may repeat the latest one
        for epoch in run.epochs.filter(number__gt=self.epochs_shown):
            self.progress.end()
            self.epochs_shown = epoch.number
            self.stdout.write(
                f"epoch {epoch.number}/{run.num_epochs}  loss {epoch.loss:.4f}  accuracy {epoch.accuracy:.4f}  "
                f"val_loss {epoch.val_loss:.4f}  val_accuracy {epoch.val_accuracy:.4f}  "
                f"{epoch.pictures_per_second:.0f} pictures/s"
            )

    def _conclude(self, run: TrainingRun) -> None:
        if run.state != TrainingRun.State.SUCCEEDED:
            raise CommandError(run.error or f"The run ended as “{run.get_state_display()}”.")
        version = run.version
        self.stdout.write(
            f"version {version.number}: test accuracy {version.test_accuracy:.4f} on {run.num_test} pictures"
            + (", published" if version.is_active else "")
        )


def _settings(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise CommandError(f"--set takes NAME=VALUE, but “{pair}” has no “=”.")
    return dict(pair.split("=", 1) for pair in pairs)
