"""Imports become leased rows as runs and jobs are; a version's columns say serving model and predictions."""

from django.db import migrations, models
from django.db.models import F
from django.db.models.functions import Coalesce


def end_what_has_ended(apps, schema_editor):
    """Earlier releases did not say when an import ended, nor which attempt reads it."""
    rows = apps.get_model("training", "PictureImport").objects
    rows.filter(state__in=["done", "failed"]).update(ended_at=Coalesce("heartbeat", "created_at"))
    rows.filter(state="reading", heartbeat=None).update(heartbeat=F("created_at"))
    rows.filter(heartbeat__isnull=False).update(lease=1, attempts=1, started_at=F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("training", "0005_dry_run")]

    operations = [
        migrations.RenameField("modelversion", "twin_sha256", "serving_model_sha256"),
        migrations.RenameField("modelversion", "twin_difference", "serving_model_difference"),
        migrations.RenameField("modelversion", "answers_sha256", "predictions_sha256"),
        migrations.RenameField("picture", "fingerprint", "perceptual_hashes"),
        migrations.AddField("modelversion", "layout", models.PositiveSmallIntegerField(default=1)),
        migrations.AlterField("modelversion", "layout", models.PositiveSmallIntegerField(default=2)),
        migrations.AddField("pictureimport", "cancel_requested", models.BooleanField(default=False)),
        migrations.AddField("pictureimport", "lease", models.PositiveIntegerField(default=0)),
        migrations.AddField("pictureimport", "attempts", models.PositiveIntegerField(default=0)),
        migrations.AddField("pictureimport", "owner", models.CharField(blank=True, max_length=255)),
        migrations.AddField("pictureimport", "started_at", models.DateTimeField(null=True)),
        migrations.AddField("pictureimport", "ended_at", models.DateTimeField(null=True)),
        migrations.AddField("pictureimport", "interruption_sentence", models.JSONField(default=dict)),
        migrations.AddField("pictureimport", "log", models.TextField(blank=True)),
        migrations.AlterField(
            "pictureimport",
            "state",
            models.CharField(
                choices=[
                    ("queued", "queued"),
                    ("reading", "reading"),
                    ("done", "done"),
                    ("failed", "failed"),
                    ("cancelled", "cancelled"),
                ],
                default="queued",
                max_length=10,
            ),
        ),
        migrations.RunPython(end_what_has_ended, migrations.RunPython.noop),
    ]
