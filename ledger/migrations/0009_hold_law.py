"""Who changes what is held (`0009_hold_law.sql`), and the machines of transfers, holds and alerts as law."""

from pathlib import Path

from django.db import migrations

from ledger.states import guard_sql, unguard_sql

GUARDED = {"ledger_transfer": "transfer", "ledger_hold": "hold", "ledger_amlalert": "aml_alert"}


class Migration(migrations.Migration):
    dependencies = [("ledger", "0008_transfers")]

    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            "DROP FUNCTION ledger_hold; DROP FUNCTION ledger_release;",
        ),
        *(
            migrations.RunSQL(guard_sql(table, machine), unguard_sql(table))
            for table, machine in GUARDED.items()
        ),
    ]
