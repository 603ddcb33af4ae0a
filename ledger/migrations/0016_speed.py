"""The same laws at less cost: triggers for what check constraints said, and one pass over postings."""

from pathlib import Path

from django.db import migrations

from ledger.migrations._older import function, statement

FOLDER = Path(__file__).parent
_KEEP = statement("0007_account_names.py", "CREATE FUNCTION ledger_account_keeps_name", "keeps_name();")
UNDO = f"""
DROP TRIGGER ledger_account_within ON ledger_account;
DROP FUNCTION ledger_account_law;
DROP FUNCTION ledger_account_keeps_name CASCADE;
{_KEEP}
{function("0004_posting.sql", "ledger_check_postings")}
DROP FUNCTION ledger_refuse_postings;
ALTER TABLE ledger_period RESET (fillfactor);
{function("0006_balances.sql", "ledger_settle_balances")}
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0015_names")]

    operations = [
        # The law first, then the checks that it stands for: at no moment is there neither.
        migrations.RunSQL((FOLDER / "0016_speed.sql").read_text(encoding="utf-8"), UNDO),
        migrations.RemoveConstraint("account", "ledger_account_within_bounds"),
        migrations.RemoveConstraint("account", "ledger_account_deferred_is_unbounded"),
        migrations.RemoveConstraint("account", "ledger_account_held_within_bounds"),
        migrations.RemoveConstraint("posting", "ledger_posting_not_zero"),
        migrations.RemoveConstraint("posting", "ledger_posting_amount_bounded"),
    ]
