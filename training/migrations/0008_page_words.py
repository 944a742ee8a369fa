"""Fields as the pages call them now; the tables stay as they are."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models


def share(name, help_text):
    validators = [MinValueValidator(0.05), MaxValueValidator(0.3)]
    return models.FloatField(name, default=0.15, validators=validators, help_text=help_text)


class Migration(migrations.Migration):
    dependencies = [("training", "0007_imports_say_when_they_ended")]

    operations = [
        migrations.AlterField("label", "key", models.CharField("name (of its folder)", max_length=100)),
        migrations.AlterField(
            "recognizer",
            "validation_share",
            share("share to choose by", "Share of the pictures to choose the best epoch by, from 0.05 to 0.3."),
        ),
        migrations.AlterField(
            "recognizer",
            "test_share",
            share("share it never sees", "Share of the pictures kept back for the final figures, from 0.05 to 0.3."),
        ),
        migrations.AlterConstraint(
            "label",
            "one_label_key_a_recognizer",
            models.UniqueConstraint(
                fields=["recognizer", "key"],
                name="one_label_key_a_recognizer",
                violation_error_message="There is a label of that name already.",
            ),
        ),
    ]
