"""The same laws at less cost: triggers for what check constraints said, and one pass over postings."""

from pathlib import Path

from django.db import migrations

FOLDER = Path(__file__).parent
UNDO = """
DROP TRIGGER ledger_account_within ON ledger_account;
DROP FUNCTION ledger_account_law;
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
