"""The law of fraud in SQL (see `0002_law.sql` for each piece and its reason) and the guards of its machines."""

from pathlib import Path

from django.db import migrations

from ledger.states import guard_sql, unguard_sql

UNDO = """
DROP TRIGGER fraud_check_law ON fraud_check;
DROP FUNCTION fraud_check_law;
DROP TRIGGER fraud_rule_law ON fraud_rule;
DROP FUNCTION fraud_rule_law;
ALTER TABLE fraud_signal RESET (fillfactor, autovacuum_vacuum_scale_factor);
"""


class Migration(migrations.Migration):
    dependencies = [("fraud", "0001_tables"), ("ledger", "0002_law")]

    operations = [
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), UNDO),
        migrations.RunSQL(guard_sql("fraud_check", "fraud_check"), unguard_sql("fraud_check")),
        migrations.RunSQL(guard_sql("fraud_review", "fraud_review"), unguard_sql("fraud_review")),
    ]
