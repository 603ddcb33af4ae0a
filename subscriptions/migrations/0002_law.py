"""The law of subscriptions in SQL (see `0002_law.sql` for each piece and its reason) and the guards of its machines."""

from pathlib import Path

from django.db import migrations

from ledger.states import guard_sql, unguard_sql

UNDO = """
DROP TRIGGER subscriptions_invoice_line_law ON subscriptions_invoice_line;
DROP FUNCTION subscriptions_invoice_line_law;
DROP TRIGGER subscriptions_invoice_law ON subscriptions_invoice;
DROP FUNCTION subscriptions_invoice_law;
DROP TRIGGER subscriptions_plan_law ON subscriptions_plan;
DROP FUNCTION subscriptions_plan_law;
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_tables"), ("ledger", "0002_law")]

    operations = [
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), UNDO),
        migrations.RunSQL(
            guard_sql("subscriptions_subscription", "subscription"), unguard_sql("subscriptions_subscription")
        ),
        migrations.RunSQL(guard_sql("subscriptions_invoice", "invoice"), unguard_sql("subscriptions_invoice")),
    ]
