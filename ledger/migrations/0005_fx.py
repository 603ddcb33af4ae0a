"""Foreign exchange: rates, quotes, conversions, unwinds, exposures. What was said or done is append only."""

import django.db.models.deletion
import django.db.models.expressions
import django_fsm
import ledger.ids
import ledger.states
from django.db import migrations, models

from ledger.states import guard_sql, unguard_sql

APPEND_ONLY = ("ledger_fx_rate", "ledger_fx_unwind", "ledger_fx_exposure")
GUARDED = (("ledger_fx_quote", "fx_quote"), ("ledger_fx_conversion", "fx_conversion"))
LAW = "".join(
    f"CREATE TRIGGER {name}_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON {name}"
    " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();"
    f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {name}_immutable;"
    for name in APPEND_ONLY
) + "".join(guard_sql(*names) for names in GUARDED)
NO_LAW = "".join(f"DROP TRIGGER {name}_immutable ON {name};" for name in APPEND_ONLY) + "".join(
    unguard_sql(table) for table, _ in GUARDED
)


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0004_books'),
    ]

    operations = [
        migrations.CreateModel(
            name='ExchangeRate',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('source', models.CharField(choices=[('ecb', 'European Central Bank'), ('feed', 'Rate feed'), ('table', "Finance's table")], max_length=16)),
                ('base', models.CharField(max_length=3)),
                ('quote', models.CharField(max_length=3)),
                ('rate', models.DecimalField(decimal_places=12, max_digits=24)),
                ('as_of', models.DateTimeField()),
                ('fetched_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'ledger_fx_rate',
                'indexes': [models.Index(fields=['source', 'as_of'], name='ledger_fx_rate_latest')],
                'constraints': [models.UniqueConstraint(fields=('source', 'base', 'quote', 'as_of'), name='ledger_fx_rate_said_once'), models.CheckConstraint(condition=models.Q(('rate__gt', 0)), name='ledger_fx_rate_above_zero'), models.CheckConstraint(condition=models.Q(('base', models.F('quote')), _negated=True), name='ledger_fx_rate_of_two')],
            },
        ),
        migrations.CreateModel(
            name='FxQuote',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('event_hash', models.BinaryField(default=b'')),
                ('merchant_id', models.UUIDField()),
                ('kind', models.CharField(choices=[('payment', 'Payment'), ('payout', 'Payout'), ('other', 'Other')], max_length=16)),
                ('sell_currency', models.CharField(max_length=3)),
                ('buy_currency', models.CharField(max_length=3)),
                ('sell_minor', models.BigIntegerField()),
                ('buy_minor', models.BigIntegerField()),
                ('house_minor', models.BigIntegerField()),
                ('spread_minor', models.BigIntegerField()),
                ('house_rate', models.DecimalField(decimal_places=12, max_digits=24)),
                ('customer_rate', models.DecimalField(decimal_places=16, max_digits=28)),
                ('spread_bps', models.PositiveIntegerField()),
                ('spread_id', models.UUIDField(blank=True, help_text="Empty: the house's default.", null=True)),
                ('sources', models.JSONField()),
                ('state', ledger.states.StateField(choices=[('open', 'Open'), ('used', 'Used'), ('expired', 'Expired'), ('cancelled', 'Cancelled')], default='', max_length=32, protected=True)),
                ('occurred_at', models.DateTimeField(help_text='When it was given.')),
                ('expires_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'db_table': 'ledger_fx_quote',
                'indexes': [models.Index(fields=['merchant_id', 'id'], name='ledger_fx_quote_by_merchant'), models.Index(condition=models.Q(('state', 'open')), fields=['expires_at'], name='ledger_fx_quote_lapsing')],
                'constraints': [models.CheckConstraint(condition=models.Q(('sell_minor__gt', 0)), name='ledger_fx_quote_sells'), models.CheckConstraint(condition=models.Q(('buy_minor__gt', 0)), name='ledger_fx_quote_buys'), models.CheckConstraint(condition=models.Q(('spread_minor__gte', 0)), name='ledger_fx_quote_spread'), models.CheckConstraint(condition=models.Q(('house_minor', django.db.models.expressions.CombinedExpression(models.F('buy_minor'), '+', models.F('spread_minor')))), name='ledger_fx_quote_adds_up'), models.CheckConstraint(condition=models.Q(('sell_currency', models.F('buy_currency')), _negated=True), name='ledger_fx_quote_of_two'), models.CheckConstraint(condition=models.Q(('spread_bps__lte', 2000)), name='ledger_fx_quote_spread_bounded')],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.CreateModel(
            name='FxConversion',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('event_hash', models.BinaryField(default=b'')),
                ('merchant_id', models.UUIDField()),
                ('pair', models.CharField(max_length=7)),
                ('sell_currency', models.CharField(max_length=3)),
                ('buy_currency', models.CharField(max_length=3)),
                ('sell_minor', models.BigIntegerField()),
                ('buy_minor', models.BigIntegerField()),
                ('house_minor', models.BigIntegerField()),
                ('spread_minor', models.BigIntegerField()),
                ('house_rate', models.DecimalField(decimal_places=12, max_digits=24)),
                ('customer_rate', models.DecimalField(decimal_places=16, max_digits=28)),
                ('rounding', models.DecimalField(decimal_places=20, max_digits=21)),
                ('house_rounding', models.DecimalField(decimal_places=20, max_digits=21)),
                ('explanation', models.TextField()),
                ('entry_id', models.UUIDField()),
                ('unwound_minor', models.BigIntegerField(default=0, help_text='Of the amount sold.')),
                ('returned_minor', models.BigIntegerField(default=0, help_text='Of the amount bought.')),
                ('spread_returned_minor', models.BigIntegerField(default=0)),
                ('gain_minor', models.BigIntegerField(default=0, help_text='Negative: a loss.')),
                ('unwinds_made', models.PositiveIntegerField(default=0)),
                ('state', ledger.states.StateField(choices=[('booked', 'Booked'), ('partly_unwound', 'Partly unwound'), ('unwound', 'Unwound')], default='', max_length=32, protected=True)),
                ('occurred_at', models.DateTimeField()),
                ('quote', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='conversion', to='ledger.fxquote')),
            ],
            options={
                'db_table': 'ledger_fx_conversion',
                'indexes': [
                    models.Index(fields=['merchant_id', 'id'], name='ledger_fx_conv_by_merchant'),
                ],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('house_minor', django.db.models.expressions.CombinedExpression(models.F('buy_minor'), '+', models.F('spread_minor')))), name='ledger_fx_conversion_adds_up'),
                    models.CheckConstraint(condition=models.Q(('unwound_minor__gte', 0), ('unwound_minor__lte', models.F('sell_minor')), ('returned_minor__gte', 0), ('returned_minor__lte', models.F('buy_minor')), ('spread_returned_minor__gte', 0), ('spread_returned_minor__lte', models.F('spread_minor'))), name='ledger_fx_conversion_unwound_within'),
                ],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.CreateModel(
            name='FxSpread',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('merchant_id', models.UUIDField(blank=True, help_text='Empty: every merchant.', null=True)),
                ('kind', models.CharField(choices=[('payment', 'Payment'), ('payout', 'Payout'), ('other', 'Other')], max_length=16)),
                ('bps', models.PositiveIntegerField()),
                ('valid_from', models.DateTimeField()),
                ('valid_to', models.DateTimeField(blank=True, help_text='Exclusive; empty: until changed.', null=True)),
                ('set_by', models.CharField(max_length=150)),
                ('reason', models.TextField()),
                ('recorded_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'ledger_fx_spread',
                'indexes': [models.Index(fields=['kind', 'merchant_id'], name='ledger_fx_spread_by_kind')],
                'constraints': [models.CheckConstraint(condition=models.Q(('bps__lte', 2000)), name='ledger_fx_spread_bounded'), models.CheckConstraint(condition=models.Q(('valid_to', None), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='ledger_fx_spread_ends_after_it_begins')],
            },
        ),
        migrations.CreateModel(
            name='FxTableRate',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('base', models.CharField(max_length=3)),
                ('quote', models.CharField(max_length=3)),
                ('rate', models.DecimalField(decimal_places=12, max_digits=24)),
                ('valid_from', models.DateTimeField()),
                ('valid_to', models.DateTimeField(blank=True, help_text='Exclusive; empty: until changed.', null=True)),
                ('set_by', models.CharField(max_length=150)),
                ('reason', models.TextField()),
                ('recorded_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'ledger_fx_table',
                'indexes': [models.Index(fields=['base', 'quote', 'valid_from'], name='ledger_fx_table_by_pair')],
                'constraints': [models.CheckConstraint(condition=models.Q(('rate__gt', 0)), name='ledger_fx_table_above_zero'), models.CheckConstraint(condition=models.Q(('base', models.F('quote')), _negated=True), name='ledger_fx_table_of_two'), models.CheckConstraint(condition=models.Q(('valid_to', None), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='ledger_fx_table_ends_after_it_begins')],
            },
        ),
        migrations.CreateModel(
            name='FxUnwind',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('merchant_id', models.UUIDField()),
                ('number', models.PositiveIntegerField()),
                ('sell_minor', models.BigIntegerField(help_text='Given back to the merchant, in the currency sold.')),
                ('buy_minor', models.BigIntegerField(help_text="Taken back from the merchant, at the customer's rate.")),
                ('spread_minor', models.BigIntegerField(help_text='Of the spread, given back.')),
                ('cost_minor', models.BigIntegerField(help_text='What the amount sold costs at the rate of the day.')),
                ('gain_minor', models.BigIntegerField(help_text='Negative: a loss.')),
                ('house_rate', models.DecimalField(decimal_places=12, max_digits=24)),
                ('sources', models.JSONField()),
                ('explanation', models.TextField()),
                ('cause_type', models.CharField(blank=True, max_length=40)),
                ('cause_id', models.CharField(blank=True, max_length=64)),
                ('entry_id', models.UUIDField()),
                ('occurred_at', models.DateTimeField()),
                ('conversion', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='unwinds', to='ledger.fxconversion')),
            ],
            options={
                'db_table': 'ledger_fx_unwind',
                'constraints': [
                    models.UniqueConstraint(fields=('conversion', 'number'), name='ledger_fx_unwind_numbered'),
                    models.CheckConstraint(condition=models.Q(('gain_minor', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('buy_minor'), '+', models.F('spread_minor')), '-', models.F('cost_minor')))), name='ledger_fx_unwind_gain'),
                    models.CheckConstraint(condition=models.Q(('buy_minor__gte', 0), ('cost_minor__gte', 0), ('sell_minor__gt', 0), ('spread_minor__gte', 0)), name='ledger_fx_unwind_amounts'),
                ],
            },
        ),
        migrations.CreateModel(
            name='FxExposure',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('merchant_id', models.UUIDField()),
                ('pair', models.CharField(max_length=7)),
                ('base_minor', models.BigIntegerField()),
                ('quote_minor', models.BigIntegerField()),
                ('rate', models.DecimalField(decimal_places=12, max_digits=24)),
                ('entry_id', models.UUIDField()),
                ('occurred_at', models.DateTimeField()),
                ('conversion', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='exposures', to='ledger.fxconversion')),
                ('unwind', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='exposure', to='ledger.fxunwind')),
            ],
            options={
                'db_table': 'ledger_fx_exposure',
                'indexes': [
                    models.Index(fields=['merchant_id', 'pair'], name='ledger_fx_exposure_by_pair'),
                ],
                'constraints': [
                    models.UniqueConstraint(condition=models.Q(('unwind', None)), fields=('conversion',), name='ledger_fx_exposure_once'),
                ],
            },
        ),
        migrations.RunSQL(LAW, NO_LAW),
    ]
