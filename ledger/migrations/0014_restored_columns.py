"""Which columns of a row this transaction's approved restoration sets right: laws that freeze them ask it."""

from django.db import migrations

CREATE = """
CREATE FUNCTION ledger_restored_columns(of_type text, of_key text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(change ->> 'name'), '{}')
    FROM ledger_restoration r CROSS JOIN LATERAL jsonb_array_elements(r.difference) change
    WHERE r.applied_in = pg_current_xact_id_if_assigned() AND r.state = 'applied'
      AND r.subject_type = of_type AND r.subject_key = of_key
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0013_seals")]

    operations = [migrations.RunSQL(CREATE, "DROP FUNCTION ledger_restored_columns;")]
