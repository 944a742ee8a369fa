"""What rows called a study and pages a search is a search everywhere."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

ENDED, UNFINISHED = ["done", "cancelled", "failed"], ["searching", "finishing"]


def rename_permissions(apps, before, after):
    """Django renames the content type with its model, but not the permissions that accounts may hold."""
    ours = apps.get_model("auth", "Permission").objects.filter(content_type__app_label="training")
    for action in ("add", "change", "delete", "view"):
        named = ours.filter(codename=f"{action}_{before}")
        named.update(codename=f"{action}_{after}", name=f"Can {action} {after}")


def to_search(apps, schema_editor):
    rename_permissions(apps, "study", "search")


def to_study(apps, schema_editor):
    rename_permissions(apps, "search", "study")


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("training", "0003_training_one_can_trust"),
    ]

    operations = [
        migrations.RemoveConstraint("trainingrun", "one_run_a_trial"),
        migrations.RemoveConstraint("study", "study_state_is_known"),
        migrations.RemoveConstraint("study", "study_has_a_budget"),
        migrations.RemoveConstraint("study", "an_ended_study_says_when"),
        migrations.RenameModel("Study", "Search"),
        migrations.RenameField("trainingrun", "study", "search"),
        migrations.AlterModelOptions("search", {"ordering": ["-pk"], "verbose_name_plural": "searches"}),
        migrations.AlterField(
            "search",
            "recognizer",
            models.ForeignKey("training.recognizer", django.db.models.deletion.CASCADE, related_name="searches"),
        ),
        migrations.AddConstraint(
            "search",
            models.CheckConstraint(condition=Q(state__in=[*UNFINISHED, *ENDED]), name="search_state_is_known"),
        ),
        migrations.AddConstraint(
            "search",
            models.CheckConstraint(
                condition=Q(max_runs__isnull=False) | Q(max_minutes__isnull=False), name="search_has_a_budget"
            ),
        ),
        migrations.AddConstraint(
            "search",
            models.CheckConstraint(
                condition=Q(state__in=ENDED, ended_at__isnull=False) | Q(state__in=UNFINISHED, ended_at__isnull=True),
                name="an_ended_search_says_when",
            ),
        ),
        migrations.AddConstraint(
            "trainingrun", models.UniqueConstraint(fields=["search", "trial_number"], name="one_run_a_trial")
        ),
        migrations.RunPython(to_search, to_study),
    ]
