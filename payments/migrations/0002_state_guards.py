"""Put the tables with a machine under the trigger that refuses a change of state that is no edge.

Why in SQL: `QuerySet.update` and `create(state=…)` go round the library that guards the edges in Python.
"""

from django.db import migrations

from ledger.states import guard_sql, unguard_sql

_GUARDED = (
    ("payments_payment", "payment"),
    ("payments_paymenttransaction", "payment_transaction"),
    ("payments_refund", "refund"),
    ("payments_providerwebhook", "provider_webhook"),
)


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_tables"), ("ledger", "0002_law")]

    operations = [
        migrations.RunSQL(guard_sql(table, machine), unguard_sql(table)) for table, machine in _GUARDED
    ]
