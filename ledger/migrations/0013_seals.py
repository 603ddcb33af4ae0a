"""Blocks say by which scheme they are sealed; the records of their rows; what verifications found."""

from pathlib import Path

from django.db import migrations, models

SQL = (Path(__file__).parent / "0013_seals.sql").read_text(encoding="utf-8")
UNDO = """
DROP TRIGGER ledger_seal_records_immutable ON ledger_seal_records;
DROP TRIGGER ledger_seal_check_immutable ON ledger_seal_check;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0012_history")]

    operations = [
        migrations.AddField("sealblock", "scheme", models.PositiveSmallIntegerField(db_default=1)),
        migrations.AddField("sealblock", "postings", models.PositiveIntegerField(db_default=0)),
        migrations.AddIndex(
            "sealblock", models.Index(fields=["transaction_to"], name="ledger_seal_by_transaction")
        ),
        migrations.CreateModel(
            "SealRecords",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "number", "part", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.BigIntegerField()),
                ("part", models.PositiveIntegerField()),
                ("records", models.BinaryField()),
            ],
            options={"db_table": "ledger_seal_records", "verbose_name_plural": "seal records"},
        ),
        migrations.CreateModel(
            "SealCheck",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("first_block", models.BigIntegerField()),
                ("last_block", models.BigIntegerField()),
                ("is_last", models.BooleanField()),
                ("entries", models.BigIntegerField()),
                ("postings", models.BigIntegerField()),
                ("events", models.BigIntegerField()),
                ("fault", models.TextField(blank=True)),
            ],
            options={"db_table": "ledger_seal_check", "verbose_name": "verification"},
        ),
        migrations.RunSQL(SQL, UNDO),
    ]
