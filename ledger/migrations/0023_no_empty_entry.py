"""No entry without postings comes through the posting functions, alone or among others.

Until here only Python refused it (`journal.check`); nothing of what it would leave moves money, but its fact
would be taken for posted. Both functions are those of `0004_posting.sql` with one look more.
"""

from django.db import migrations

from ledger.migrations._older import function

_REFUSE = """THEN
        PERFORM ledger_refuse_postings('an entry has no postings', 'ledger_entry_balances');
    END IF;
"""
ONE = function("0004_posting.sql", "ledger_post_one").replace("ledger_post_one(", "ledger_post_legs(", 1)
MANY = function("0004_posting.sql", "ledger_post")
LOOKS_AT_ONE = ONE.replace("BEGIN\n", f"BEGIN\n    IF legs = 0 {_REFUSE}", 1)
LOOKS_AT_MANY = MANY.replace(
    "        RETURN;\n    END IF;\n",
    f"""        RETURN;
    END IF;
    IF (SELECT count(DISTINCT n) FROM unnest(p_entry) AS n) <> cardinality(e_id) {_REFUSE}""",
    1,
)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0022_rows_missing")]

    operations = [
        migrations.RunSQL(LOOKS_AT_ONE, ONE),
        migrations.RunSQL(LOOKS_AT_MANY, MANY),
    ]
