"""An event tells what its step changed of the subject's row; events older than this say nothing of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_law")]

    operations = [
        migrations.AddField(
            model_name="event", name="changes", field=models.JSONField(blank=True, null=True)
        ),
    ]
