"""Recognizers, labels and pictures say who changed them last, and when."""

from django.conf import settings
from django.db import migrations, models


def who_and_when(model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+")
    return (
        migrations.AddField(model, "changed_by", user),
        migrations.AddField(model, "changed_at", models.DateTimeField(null=True, editable=False)),
    )


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("training", "0009_imports_have_workers_of_their_own"),
    ]

    operations = [each for model in ("recognizer", "label", "picture") for each in who_and_when(model)]
