"""Has the checks of the rows that every payment writes upheld by triggers (ledger 0024)."""

from django.db import migrations

TABLES = ("payments_payment", "payments_paymenttransaction", "payments_provideroperation")

# As it was first said: read back from the catalogue, a list of values is spelled otherwise.
FINAL = """
ALTER TABLE payments_provideroperation DROP CONSTRAINT payments_operation_concluded_is_final,
    ADD CONSTRAINT payments_operation_concluded_is_final CHECK (
        concluded_at IS NULL OR (ask_at IS NULL AND outcome IN ('approved', 'declined', 'rejected'))
        OR (ask_at IS NULL AND kind = 'authorize' AND outcome = 'not_sent'))
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0018_names_of_desks"), ("ledger", "0024_laws_by_trigger")]

    operations = [
        migrations.RunSQL(migrations.RunSQL.noop, FINAL),
        *(
            migrations.RunSQL(
                f"SELECT ledger_uphold_by_trigger('{table}')", f"SELECT ledger_uphold_by_check('{table}')"
            )
            for table in TABLES
        ),
    ]
