"""The audit log in months; see `0010_audit_months.sql` for each piece and its reason."""

from pathlib import Path

from django.db import migrations, models

from ledger.migrations._older import function

HERE = Path(__file__)
DO = HERE.with_suffix(".sql").read_text(encoding="utf-8")
UNDO = HERE.with_name(f"{HERE.stem}_undo.sql").read_text(encoding="utf-8") + function(
    "0004_partitions.sql", "ledger_make_partitions"
)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0009_hold_law")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(DO, UNDO)],
            state_operations=[
                migrations.RemoveIndex("auditrecord", "ledger_audit_by_object"),
                migrations.RemoveIndex("auditrecord", "ledger_audit_by_time"),
                migrations.AddIndex(
                    "auditrecord", models.Index(fields=["merchant_id", "id"], name="ledger_audit_by_merchant")
                ),
                migrations.AddIndex(
                    "auditrecord", models.Index(fields=["object_id", "at"], name="ledger_audit_by_object")
                ),
                migrations.AddIndex(
                    "auditrecord", models.Index(fields=["actor_id", "at"], name="ledger_audit_by_actor")
                ),
                migrations.AddIndex(
                    "auditrecord",
                    models.Index(
                        fields=["request_id", "at"],
                        name="ledger_audit_by_request",
                        condition=models.Q(request_id="", _negated=True),
                    ),
                ),
            ],
        ),
    ]
