"""Has the checks of the judgement on each payment upheld by a trigger (ledger 0024)."""

from django.db import migrations

UPHOLD = "SELECT ledger_uphold_by_trigger('fraud_check')"
UNDO = "SELECT ledger_uphold_by_check('fraud_check')"


class Migration(migrations.Migration):
    dependencies = [("fraud", "0003_restored_findings"), ("ledger", "0024_laws_by_trigger")]

    operations = [migrations.RunSQL(UPHOLD, UNDO)]
