"""Balances in effect by the entries that were not recorded when they took effect, instead of by sums of periods."""

from pathlib import Path

from django.db import migrations

from ledger.migrations._older import function, statement

# The sums of periods are filled again from the first transaction on.
UNDO = f"""
DROP FUNCTION ledger_settle_balances, ledger_displaced_upto, ledger_settle_displaced;
DROP TABLE ledger_displaced;
DROP FUNCTION ledger_displaced_span;
DROP INDEX ledger_entry_displaced;
{statement("0006_balances.sql", "CREATE TABLE ledger_period", ");")}
ALTER TABLE ledger_period SET (fillfactor = 60);
UPDATE ledger_mark SET settled_at = '-infinity', settled_upto = '0' WHERE name = 'balances';
{function("0016_speed.sql", "ledger_settle_balances")}
{function("0006_balances.sql", "ledger_balance_effective")}
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0017_two_legs")]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), UNDO)]
