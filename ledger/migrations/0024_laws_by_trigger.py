"""Has check constraints of hot rows upheld by a trigger; each app's migration says of which of its tables."""

from pathlib import Path

from django.db import migrations

UNDO = """
DROP FUNCTION ledger_uphold_by_check(regclass);
DROP FUNCTION ledger_uphold_by_trigger(regclass);
DROP FUNCTION ledger_law_text(regclass);
DROP FUNCTION ledger_law_of_row(regclass, text);
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0023_no_empty_entry")]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), UNDO)]
