"""Balances of the past: checkpoints, sums of periods, and the mark up to which they are settled."""

from pathlib import Path

from django.db import migrations

UNDO = """
DROP FUNCTION ledger_balance_effective, ledger_balance_recorded, ledger_settle_balances;
DROP TABLE ledger_period, ledger_checkpoint, ledger_mark;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_fx")]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), UNDO)]
