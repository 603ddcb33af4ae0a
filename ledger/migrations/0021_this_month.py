"""The law looks for a posting's entry in this month's partition first, by a view that the daily job points."""

from pathlib import Path

from django.db import migrations

from ledger.migrations._older import function

UNDO = f"""
{function("0010_audit_months.sql", "ledger_make_partitions")}
{function("0016_speed.sql", "ledger_check_postings")}
DROP VIEW ledger_entry_this_month;
DROP FUNCTION ledger_see_this_month;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0020_archived_streams")]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), UNDO)]
