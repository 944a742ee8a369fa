"""A worker says whether it trains or reads imports; a picture knows the import that took it."""

from django.db import migrations, models


def say_which_pictures_came(apps, schema_editor):
    """An import that waits or is being read may have taken some before it was cut off; they are no duplicates to it."""
    models_of_then = (apps.get_model("training", name) for name in ("PictureImport", "Picture"))
    imports, pictures = (model.objects.using(schema_editor.connection.alias) for model in models_of_then)
    for row in imports.filter(state__in=["queued", "reading"], started_at__isnull=False):
        since = pictures.filter(recognizer=row.recognizer_id, added_at__gte=row.started_at, came_with=None)
        since.filter(added_by=row.started_by_id).update(came_with=row)


class Migration(migrations.Migration):
    dependencies = [("training", "0008_page_words")]

    operations = [
        migrations.AddField("worker", "trains", models.BooleanField(default=True)),
        migrations.AddField("worker", "reads_imports", models.BooleanField(default=False)),
        migrations.AddField(
            "picture",
            "came_with",
            models.ForeignKey("training.PictureImport", models.SET_NULL, null=True, related_name="pictures"),
        ),
        migrations.RunPython(say_which_pictures_came, migrations.RunPython.noop),
    ]
