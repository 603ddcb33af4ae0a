"""A shorter way for entries of two legs, and one look at an account that nothing is held of."""

from pathlib import Path

from django.db import migrations

from ledger.migrations._older import function

UNDO = f"""
DROP FUNCTION ledger_post_one;
ALTER FUNCTION ledger_post_legs(
    uuid, uuid, text, text, uuid, text, timestamptz, uuid, int[], bigint[], bigint[], text[]
) RENAME TO ledger_post_one;
{function("0016_speed.sql", "ledger_account_law")}
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0016_speed")]

    operations = [migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), UNDO)]
