"""Audit records are sealed with the books; the sealer finds them by their transaction."""

from django.db import migrations, models


# Without its counts a block of the new scheme cannot be verified: a house that has one does not go back.
STAY = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM ledger_seal WHERE scheme >= 3) THEN
        RAISE EXCEPTION 'there are blocks that seal audit records: they could not be verified any more';
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0018_displaced")]

    operations = [
        migrations.AddField("sealblock", "audits_from", models.BigIntegerField(db_default=0)),
        migrations.AddField("sealblock", "audits", models.PositiveIntegerField(db_default=0)),
        migrations.AddField("sealcheck", "audits", models.BigIntegerField(db_default=0)),
        migrations.RunSQL(
            "CREATE INDEX ledger_audit_by_transaction ON ledger_audit (xid)",
            "DROP INDEX ledger_audit_by_transaction",
        ),
        migrations.RunSQL(migrations.RunSQL.noop, STAY),
    ]
