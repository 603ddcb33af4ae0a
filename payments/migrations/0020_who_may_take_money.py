"""Has it judged in the transaction of each claim whether its merchant may act and its stored method is there."""

from pathlib import Path

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0019_laws_by_trigger"), ("vendors", "0005_laws_by_trigger")]

    operations = [
        migrations.RunSQL(
            Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"),
            "DROP TRIGGER payments_may_take_money ON payments_provideroperation;"
            " DROP FUNCTION payments_may_take_money;",
        ),
    ]
