"""The books in monthly partitions, the register of facts, held money, closed accounts, and faster posting."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Now
from pathlib import Path

from ledger.migrations._older import statement

HERE = Path(__file__).parent
PARTITIONS = (HERE / "0004_partitions.sql").read_text(encoding="utf-8")
POSTING = (HERE / "0004_posting.sql").read_text(encoding="utf-8")
_LAW = (HERE / "0002_law.sql").read_text(encoding="utf-8")
_FROM_CHECKS, _HASHES = _LAW.index("-- 4. Every statement"), _LAW.index("-- 5. The content")
UNDO = (
    (HERE / "0004_undo.sql").read_text(encoding="utf-8")
    + _LAW[_FROM_CHECKS:_HASHES]
    + _LAW[_LAW.index("-- 6. The only writer"):]
    + statement("0002_law.sql", "CREATE FUNCTION ledger_content_hash", "$$;").replace("CREATE", "CREATE OR REPLACE", 1)
)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_changes")]

    operations = [
        migrations.RemoveConstraint("account", "ledger_account_within_bounds"),
        migrations.AlterField("account", "balance", models.BigIntegerField(db_default=0, default=0)),
        migrations.AlterField("account", "version", models.BigIntegerField(db_default=0, default=0)),
        migrations.AddField("account", "closed_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("account", "held", models.BigIntegerField(db_default=0, default=0)),
        migrations.AddConstraint(
            "account",
            models.CheckConstraint(
                condition=(Q(balance_min=None) | Q(balance__gte=F("balance_min") + F("held")))
                & (Q(balance_max=None) | Q(balance__lte=F("balance_max") - F("held"))),
                name="ledger_account_within_bounds",
            ),
        ),
        migrations.AddConstraint(
            "account",
            models.CheckConstraint(
                condition=Q(held=0) | (Q(held__gt=0) & ~Q(balance_min=None, balance_max=None)),
                name="ledger_account_held_within_bounds",
            ),
        ),
        migrations.RunSQL(
            PARTITIONS + POSTING,
            UNDO,
            state_operations=[
                migrations.CreateModel(
                    "PostedFact",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "source_id", "source_type", "step", "merchant_id",
                                blank=True, editable=False, primary_key=True, serialize=False,
                            ),
                        ),
                        ("source_id", models.UUIDField()),
                        ("source_type", models.CharField(max_length=40)),
                        ("step", models.CharField(max_length=60)),
                        ("merchant_id", models.UUIDField()),
                        ("entry_id", models.UUIDField()),
                    ],
                    options={"db_table": "ledger_fact"},
                ),
                migrations.RemoveConstraint("event", "ledger_event_one_per_sequence"),
                migrations.RemoveConstraint("journalentry", "ledger_entry_posts_once"),
                migrations.RemoveIndex("posting", "ledger_posting_by_account"),
                migrations.AddField("posting", "recorded_at", models.DateTimeField(db_default=Now())),
                migrations.AlterField(
                    "journalentry",
                    "reverses",
                    models.ForeignKey(
                        blank=True, db_constraint=False, db_index=False, null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING, related_name="reversals",
                        to="ledger.journalentry",
                    ),
                ),
                migrations.AlterField(
                    "outboxmessage",
                    "event",
                    models.ForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="messages", to="ledger.event",
                    ),
                ),
                migrations.AddIndex(
                    "posting",
                    models.Index(
                        fields=["account", "recorded_at"], include=("amount",), name="ledger_posting_by_account"
                    ),
                ),
                migrations.AddConstraint(
                    "event",
                    models.UniqueConstraint(
                        fields=("subject_id", "sequence", "subject_type", "merchant_id"),
                        name="ledger_event_one_per_sequence",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            "posting",
            models.CheckConstraint(
                condition=Q(amount__gte=-(10**15), amount__lte=10**15), name="ledger_posting_amount_bounded"
            ),
        ),
    ]
