"""Put a vendor's state under its machine, so that no statement goes round the edges."""

from django.db import migrations

from ledger.states import guard_sql, unguard_sql


class Migration(migrations.Migration):
    dependencies = [("vendors", "0001_tables"), ("ledger", "0002_law")]

    operations = [migrations.RunSQL(guard_sql("vendors_vendor", "vendor"), unguard_sql("vendors_vendor"))]
