"""Has the checks of idempotency keys upheld by a trigger (ledger 0024), with a shape of keys that is cheap to match."""

from django.db import migrations, models

TABLE = "vendors_idempotencykey"
NAME = "vendors_idempotency_key_is_visible_ascii"


class Migration(migrations.Migration):
    dependencies = [("vendors", "0004_notice_address"), ("ledger", "0024_laws_by_trigger")]

    operations = [
        migrations.RemoveConstraint(model_name="idempotencykey", name=NAME),
        migrations.AddConstraint(
            model_name="idempotencykey",
            constraint=models.CheckConstraint(
                condition=models.Q(("key__regex", "^[!-~]{8}[!-~]*$")), name=NAME
            ),
        ),
        migrations.RunSQL(
            f"SELECT ledger_uphold_by_trigger('{TABLE}')", f"SELECT ledger_uphold_by_check('{TABLE}')"
        ),
    ]
