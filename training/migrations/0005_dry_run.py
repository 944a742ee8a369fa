"""A rehearsal is a dry run, as the field calls it; pages speak of choosing a network, not of a race."""

from django.db import migrations, models


def rename(old, new):
    def change(apps, schema_editor):
        apps.get_model("training", "Job").objects.filter(kind=old).update(kind=new)

    return change


class Migration(migrations.Migration):
    dependencies = [("training", "0004_one_word_for_search")]

    operations = [
        migrations.RemoveConstraint("job", "job_kind_is_known"),
        migrations.RunPython(rename("rehearsal", "dry_run"), rename("dry_run", "rehearsal")),
        migrations.AlterField(
            "job",
            "kind",
            models.CharField(
                choices=[
                    ("review", "looking through the pictures"),
                    ("inspection", "looking inside a version"),
                    ("dry_run", "measuring how long a training takes"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            "job",
            models.CheckConstraint(
                condition=models.Q(kind__in=["review", "inspection", "dry_run"]), name="job_kind_is_known"
            ),
        ),
        migrations.AlterField(
            "recognizer",
            "is_mirror_safe",
            models.BooleanField(
                blank=True,
                help_text="Not so for traffic signs, letters and hands. "
                "Where you don't say, it is found out when a network is chosen.",
                null=True,
                verbose_name="a mirrored picture shows the same",
            ),
        ),
    ]
