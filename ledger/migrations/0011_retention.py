"""Retention policies, legal holds and archives; their law is in `0011_retention.sql`."""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
import ledger.ids
from django.db import migrations, models


HERE = Path(__file__)
_BALANCES = HERE.with_name("0006_balances.sql").read_text(encoding="utf-8")
_FROM, _TO = _BALANCES.index("CREATE FUNCTION ledger_balance_recorded"), _BALANCES.index("-- An account's balance by")
UNDO = (
    "DROP FUNCTION ledger_legal_hold_identity CASCADE;"
    + _BALANCES[_FROM:_TO].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
)


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0010_audit_months'),
    ]

    operations = [
        migrations.CreateModel(
            name='ArchiveFile',
            fields=[
                ('number', models.BigIntegerField(primary_key=True, serialize=False)),
                ('table', models.CharField(max_length=63)),
                ('range_from', models.DateTimeField()),
                ('range_to', models.DateTimeField()),
                ('rows', models.BigIntegerField()),
                ('file_name', models.CharField(max_length=200, unique=True)),
                ('content_hash', models.BinaryField()),
                ('packed_hash', models.BinaryField()),
                ('previous_hash', models.BinaryField()),
                ('archive_hash', models.BinaryField()),
                ('key_id', models.CharField(max_length=40)),
                ('mac', models.BinaryField()),
                ('detached_as', models.CharField(max_length=63, unique=True)),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'ledger_archive',
            },
        ),
        migrations.CreateModel(
            name='LegalHold',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('record_class', models.CharField(blank=True, max_length=40)),
                ('merchant_id', models.UUIDField(blank=True, null=True)),
                ('subject', models.CharField(blank=True, max_length=80)),
                ('covers_from', models.DateTimeField(blank=True, null=True)),
                ('covers_to', models.DateTimeField(blank=True, null=True)),
                ('reason', models.TextField()),
                ('placed_by', models.CharField(max_length=150)),
                ('placed_at', models.DateTimeField()),
                ('lifted_by', models.CharField(blank=True, max_length=150)),
                ('lifted_at', models.DateTimeField(blank=True, null=True)),
                ('lift_reason', models.TextField(blank=True)),
            ],
            options={
                'db_table': 'ledger_legal_hold',
                'constraints': [models.CheckConstraint(condition=models.Q(('covers_from', None), ('covers_to', None), ('covers_from__lt', models.F('covers_to')), _connector='OR'), name='ledger_legal_hold_period')],
            },
        ),
        migrations.CreateModel(
            name='RetentionPolicy',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('record_class', models.CharField(max_length=40)),
                ('days', models.PositiveIntegerField()),
                ('legal_basis', models.CharField(max_length=300)),
                ('valid_from', models.DateTimeField()),
                ('set_by', models.CharField(max_length=150)),
                ('reason', models.TextField()),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name_plural': 'retention policies',
                'db_table': 'ledger_retention',
                'constraints': [models.UniqueConstraint(fields=('record_class', 'valid_from'), name='ledger_retention_once'), models.CheckConstraint(condition=models.Q(('days__gte', 1)), name='ledger_retention_days')],
            },
        ),
        migrations.CreateModel(
            name='CarriedBalance',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('merchant_id', models.UUIDField()),
                ('range_from', models.DateTimeField()),
                ('range_to', models.DateTimeField()),
                ('amount', models.BigIntegerField()),
                ('postings', models.BigIntegerField()),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='carried', to='ledger.account')),
            ],
            options={
                'db_table': 'ledger_carried',
                'indexes': [models.Index(fields=['account', 'range_to'], name='ledger_carried_by_account')],
            },
        ),
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(encoding="utf-8"),
            UNDO,
        ),
    ]
