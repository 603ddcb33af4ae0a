"""Put states under their machines, and make the lines of batches and statements append only.

Why in SQL: `QuerySet.update`, `create(state=…)` and bulk deletes go round Python's guards.
"""

from django.db import migrations

from ledger.states import guard_sql, unguard_sql

_GUARDED = (
    ("settlements_settlementbatch", "settlement"),
    ("settlements_payout", "payout"),
    ("settlements_bankstatement", "bank_statement"),
    ("settlements_match", "match"),
    ("settlements_break", "break"),
)
_APPEND_ONLY = ("settlements_batchline", "settlements_statementline", "settlements_fundedoperation")


def _keep(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"""CREATE TRIGGER {table}_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();""",
        f"DROP TRIGGER {table}_immutable ON {table};",
    )


class Migration(migrations.Migration):
    dependencies = [("settlements", "0001_tables"), ("ledger", "0002_law")]

    operations = [
        *(migrations.RunSQL(guard_sql(table, machine), unguard_sql(table)) for table, machine in _GUARDED),
        *(_keep(table) for table in _APPEND_ONLY),
    ]
