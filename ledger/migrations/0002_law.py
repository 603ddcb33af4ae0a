"""The law of the books in SQL; see `0002_law.sql` for each piece and its reason."""

from pathlib import Path

from django.db import migrations

UNDO = """
DROP VIEW ledger_balance;
DROP FUNCTION ledger_roll;
DROP FUNCTION ledger_post;
DROP FUNCTION ledger_entry_hash;
DROP FUNCTION ledger_content_hash;
DROP TRIGGER ledger_posting_law ON ledger_posting;
DROP FUNCTION ledger_check_postings;
DROP FUNCTION ledger_account_identity CASCADE;
DROP FUNCTION ledger_refuse_change CASCADE;
DROP FUNCTION ledger_guard_state CASCADE;
DROP TABLE ledger_state_edge;
DROP INDEX ledger_posting_tail, ledger_event_by_transaction, ledger_entry_by_transaction;
ALTER TABLE ledger_event DROP COLUMN xid;
ALTER TABLE ledger_posting DROP COLUMN xid;
ALTER TABLE ledger_entry DROP COLUMN xid;
ALTER TABLE ledger_account DROP COLUMN rolled_to;
ALTER TABLE ledger_account RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_tables")]

    operations = [
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), UNDO),
    ]
