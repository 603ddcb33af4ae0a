"""`ledger_post` judges the accounts of its entries in one pass."""

from importlib import import_module
from pathlib import Path

from django.db import migrations

OLDER = import_module("ledger.migrations.0023_no_empty_entry").LOOKS_AT_MANY


class Migration(migrations.Migration):
    dependencies = [("ledger", "0027_no_statistics_of_documents")]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), OLDER)]
