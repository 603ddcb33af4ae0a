"""A statement that writes refuses by itself when a row was missing: it may be committed in the same message."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0021_this_month")]

    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            "DROP FUNCTION ledger_rows_missing;",
        )
    ]
