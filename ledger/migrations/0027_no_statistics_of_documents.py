"""No statistics of the JSON documents of events, in the months that stand and in those to come."""

from pathlib import Path

from django.db import migrations

DOCUMENTS = ("payload", "changes")

AS_IT_WAS = """
CREATE OR REPLACE FUNCTION ledger_guard_partition(name text, parent text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()', parent || '_immutable', name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', name, parent || '_immutable');
    IF parent = 'ledger_posting' THEN
        EXECUTE format('CREATE TRIGGER ledger_posting_law AFTER INSERT ON %I REFERENCING NEW TABLE AS inserted
                        FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_postings()', name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER ledger_posting_law', name);
    END IF;
END $$;
"""


def _alter(target: int) -> str:
    columns = ", ".join(f"ALTER COLUMN {column} SET STATISTICS {target}" for column in DOCUMENTS)
    return f"ALTER TABLE ledger_event {columns};"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0026_where_events_went")]

    operations = [
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), AS_IT_WAS),
        migrations.RunSQL(_alter(0), _alter(-1)),
    ]
