"""Constraints over what the migration before filled in; apart from it, as PostgreSQL wants it."""

from django.db import migrations, models
from django.db.models import Q

STATES = ["queued", "reading", "done", "failed", "cancelled"]
ENDED = ["done", "failed", "cancelled"]


class Migration(migrations.Migration):
    dependencies = [("training", "0006_leased_imports_and_plain_names")]

    operations = [
        migrations.RemoveConstraint("pictureimport", "import_state_is_known"),
        migrations.AddConstraint(
            "pictureimport", models.CheckConstraint(condition=Q(state__in=STATES), name="import_state_is_known")
        ),
        migrations.AddConstraint(
            "pictureimport",
            models.CheckConstraint(
                condition=Q(ended_at__isnull=False, state__in=ENDED)
                | Q(ended_at__isnull=True, state__in=["queued", "reading"]),
                name="an_ended_import_says_when",
            ),
        ),
        migrations.AddConstraint(
            "pictureimport",
            models.CheckConstraint(
                condition=~Q(heartbeat__isnull=True, state="reading"), name="a_working_import_has_a_heartbeat"
            ),
        ),
        migrations.AddIndex(
            "pictureimport", models.Index(fields=["state", "heartbeat"], name="training_pi_state_581ba3_idx")
        ),
    ]
