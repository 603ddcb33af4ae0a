"""Tables of money out."""
import django.db.models.deletion
import django.db.models.expressions
import django_fsm
import ledger.ids
import ledger.states
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('payments', '0002_state_guards'),
        ('vendors', '0002_state_guard'),
    ]

    operations = [
        migrations.CreateModel(
            name='BankStatement',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('event_hash', models.BinaryField(default=b'')),
                ('account', models.CharField(max_length=80)),
                ('currency', models.CharField(max_length=3)),
                ('reference', models.CharField(max_length=140)),
                ('sequence', models.BigIntegerField(default=0)),
                ('closed_on', models.DateField(blank=True, null=True)),
                ('opening_minor', models.BigIntegerField(blank=True, null=True)),
                ('closing_minor', models.BigIntegerField(blank=True, null=True)),
                ('line_count', models.PositiveIntegerField()),
                ('content_hash', models.BinaryField(max_length=32)),
                ('state', ledger.states.StateField(choices=[('accepted', 'Accepted: its lines are to be explained'), ('held', 'Held: it cannot be trusted as it is; no line of it is used')], default='', max_length=32, protected=True)),
                ('problem', models.TextField(blank=True)),
                ('occurred_at', models.DateTimeField(help_text='When it was imported.')),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='vendors.merchant')),
            ],
            options={
                'verbose_name': 'bank statement',
                'indexes': [
                    models.Index(fields=['merchant', 'account', 'currency', 'closed_on'], name='settlements_statement_chain'),
                ],
                'constraints': [
                    models.UniqueConstraint(condition=models.Q(('state', 'accepted')), fields=('merchant', 'account', 'currency', 'reference'), name='settlements_statement_accepted_once'),
                    models.UniqueConstraint(fields=('merchant', 'content_hash'), name='settlements_statement_content_once'),
                    models.CheckConstraint(condition=models.Q(models.Q(('state', 'accepted'), _negated=True), models.Q(('closed_on__isnull', False), ('closing_minor__isnull', False), ('opening_minor__isnull', False)), _connector='OR'), name='settlements_statement_accepted_is_whole'),
                ],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.CreateModel(
            name='Match',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('event_hash', models.BinaryField(default=b'')),
                ('kind', models.CharField(choices=[('payout', 'A payout'), ('funding', "A provider's report")], max_length=16)),
                ('provider', models.CharField(blank=True, max_length=32)),
                ('report', models.CharField(blank=True, max_length=100)),
                ('amount_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('state', ledger.states.StateField(choices=[('confirmed', 'Confirmed')], default='', max_length=32, protected=True)),
                ('occurred_at', models.DateTimeField()),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='vendors.merchant')),
            ],
            options={
                'verbose_name_plural': 'matches',
                'constraints': [
                    models.UniqueConstraint(condition=models.Q(('report', ''), _negated=True), fields=('merchant', 'provider', 'report'), name='settlements_match_report_once'),
                ],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.CreateModel(
            name='FundedOperation',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('amount_minor', models.BigIntegerField(help_text='Signed: a capture is positive, a refund negative.')),
                ('fee_minor', models.BigIntegerField()),
                ('operation', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='payments.provideroperation')),
                ('match', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='operations', to='settlements.match')),
            ],
            options={
                'verbose_name': 'funded operation',
            },
        ),
        migrations.CreateModel(
            name='Payout',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('event_hash', models.BinaryField(default=b'')),
                ('attempt', models.PositiveSmallIntegerField()),
                ('amount_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('provider', models.CharField(max_length=32)),
                ('account_end', models.CharField(help_text="The last characters of the vendor's account.", max_length=4)),
                ('state', ledger.states.StateField(choices=[('created', 'Created: its money is set aside, the answer is not known'), ('sent', 'Sent: the provider took it and will say more'), ('paid', 'Paid: the provider says so'), ('failed', 'Failed: its money is available again'), ('reconciled', 'Reconciled: the bank statement shows it')], default='', max_length=32, protected=True)),
                ('provider_reference', models.CharField(blank=True, max_length=100)),
                ('failure_code', models.CharField(blank=True, max_length=64)),
                ('occurred_at', models.DateTimeField(help_text='When its money was set aside.')),
                ('paid_at', models.DateTimeField(blank=True, null=True)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='vendors.merchant')),
            ],
            options={
                'indexes': [
                    models.Index(condition=models.Q(('state', 'paid')), fields=['merchant', 'currency'], name='settlements_payout_to_match'),
                ],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='settlements_payout_pays'),
                ],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.AddField(
            model_name='match',
            name='payout',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='match', to='settlements.payout'),
        ),
        migrations.CreateModel(
            name='ReconciliationRun',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('account', models.CharField(max_length=80)),
                ('currency', models.CharField(max_length=3)),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('lines', models.PositiveIntegerField(default=0)),
                ('matched', models.PositiveIntegerField(default=0)),
                ('breaks_opened', models.PositiveIntegerField(default=0)),
                ('breaks_resolved', models.PositiveIntegerField(default=0)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='vendors.merchant')),
            ],
            options={
                'verbose_name': 'reconciliation run',
            },
        ),
        migrations.AddField(
            model_name='match',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='matches', to='settlements.reconciliationrun'),
        ),
        migrations.CreateModel(
            name='SettlementBatch',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('event_hash', models.BinaryField(default=b'')),
                ('number', models.CharField(max_length=20)),
                ('currency', models.CharField(max_length=3)),
                ('business_date', models.DateField()),
                ('sequence', models.PositiveIntegerField()),
                ('state', ledger.states.StateField(choices=[('closed', 'Closed: reckoned and payable'), ('carried', 'Carried: nothing to pay, the items wait for the next batch'), ('paying', 'Paying: its payout is on the way'), ('paid', 'Paid: the provider says so'), ('reconciled', 'Reconciled: the bank says so too')], default='', max_length=32, protected=True)),
                ('gross_minor', models.BigIntegerField()),
                ('commission_minor', models.BigIntegerField()),
                ('refunds_minor', models.BigIntegerField()),
                ('other_minor', models.BigIntegerField()),
                ('recovered_minor', models.BigIntegerField()),
                ('net_minor', models.BigIntegerField()),
                ('items', models.PositiveIntegerField()),
                ('occurred_at', models.DateTimeField(help_text='When the batch was reckoned.')),
                ('paid_at', models.DateTimeField(blank=True, null=True)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='vendors.merchant')),
                ('vendor', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='vendors.vendor')),
            ],
            options={
                'verbose_name': 'settlement',
                'verbose_name_plural': 'settlements',
                'indexes': [
                    models.Index(fields=['vendor', 'currency', 'id'], name='settlements_batch_by_vendor'),
                    models.Index(condition=models.Q(('state', 'closed')), fields=['merchant', 'id'], name='settlements_batch_due'),
                ],
                'constraints': [
                    models.UniqueConstraint(fields=('merchant', 'vendor', 'currency', 'business_date', 'sequence'), name='settlements_batch_sequence_once'),
                    models.UniqueConstraint(fields=('merchant', 'number'), name='settlements_batch_number_once'),
                    models.CheckConstraint(condition=models.Q(('net_minor', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('gross_minor'), '-', models.F('commission_minor')), '-', models.F('refunds_minor')), '+', models.F('other_minor')), '-', models.F('recovered_minor')))), name='settlements_batch_foots'),
                    models.CheckConstraint(condition=models.Q(models.Q(('net_minor__lte', 0), ('state', 'carried')), models.Q(models.Q(('state', 'carried'), _negated=True), ('net_minor__gt', 0)), _connector='OR'), name='settlements_batch_pays_only_what_is_owed'),
                    models.CheckConstraint(condition=models.Q(('recovered_minor__gte', 0)), name='settlements_batch_recovers'),
                ],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.AddField(
            model_name='payout',
            name='batch',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payouts', to='settlements.settlementbatch'),
        ),
        migrations.CreateModel(
            name='BatchLine',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('entry_id', models.UUIDField()),
                ('line', models.SmallIntegerField()),
                ('purpose', models.CharField(max_length=24)),
                ('amount_minor', models.BigIntegerField()),
                ('batch', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='settlements.settlementbatch')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('entry_id', 'line'), name='settlements_line_in_one_batch'),
                ],
            },
        ),
        migrations.CreateModel(
            name='StatementLine',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('line_no', models.PositiveIntegerField()),
                ('amount_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('booked_on', models.DateField(blank=True, null=True)),
                ('value_on', models.DateField(blank=True, null=True)),
                ('end_to_end_id', models.CharField(blank=True, max_length=500)),
                ('bank_reference', models.CharField(blank=True, max_length=500)),
                ('remittance', models.CharField(blank=True, max_length=500)),
                ('counterparty', models.CharField(blank=True, max_length=500)),
                ('counterparty_account', models.CharField(blank=True, max_length=500)),
                ('content_hash', models.BinaryField(max_length=32)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='vendors.merchant')),
                ('statement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='settlements.bankstatement')),
            ],
            options={
                'verbose_name': 'statement line',
                'constraints': [
                    models.UniqueConstraint(fields=('merchant', 'content_hash'), name='settlements_line_once'),
                    models.UniqueConstraint(fields=('statement', 'line_no'), name='settlements_line_no_once'),
                ],
            },
        ),
        migrations.AddField(
            model_name='match',
            name='line',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='match', to='settlements.statementline'),
        ),
        migrations.CreateModel(
            name='Break',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('event_hash', models.BinaryField(default=b'')),
                ('reason', models.CharField(choices=[('statement_does_not_foot', "The statement's own figures do not come out"), ('statement_changed', 'A statement came again with other content'), ('opening_differs', 'The opening balance is not the last closing balance'), ('line_unexplained', 'No payout and no provider report explains the line'), ('amount_differs', 'The bank moved another amount than the payout'), ('currency_differs', 'The bank moved another currency than the payout'), ('line_duplicate', 'The bank shows a payout a second time'), ('payout_not_paid', 'The bank shows a payout that is not paid in our books'), ('payout_not_on_statement', 'A paid payout is not on the statement'), ('report_not_found', 'The provider knows no such report'), ('report_total_differs', "The report's items do not come to the line's amount"), ('operation_unknown', 'The report holds an operation that is not ours'), ('operation_differs', 'The report gives an operation another amount or fee'), ('operation_funded_twice', 'The report holds an operation for a second time'), ('operations_not_funded', 'Operations are not in any report of their day')], max_length=32)),
                ('key', models.CharField(max_length=140)),
                ('amount_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('detail', models.JSONField(default=dict)),
                ('state', ledger.states.StateField(choices=[('open', 'Open'), ('resolved', 'Resolved')], default='', max_length=32, protected=True)),
                ('resolution', models.TextField(blank=True)),
                ('resolved_by', models.CharField(blank=True, help_text='The kind of actor who resolved it.', max_length=16)),
                ('occurred_at', models.DateTimeField()),
                ('resolved_at', models.DateTimeField(blank=True, null=True)),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='vendors.merchant')),
                ('statement', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='breaks', to='settlements.bankstatement')),
                ('payout', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='breaks', to='settlements.payout')),
                ('run', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='breaks', to='settlements.reconciliationrun')),
                ('line', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='breaks', to='settlements.statementline')),
            ],
            options={
                'indexes': [
                    models.Index(condition=models.Q(('state', 'open')), fields=['merchant', 'id'], name='settlements_break_to_resolve'),
                ],
                'constraints': [
                    models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('merchant', 'reason', 'key'), name='settlements_break_open_once'),
                ],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.UniqueConstraint(fields=('batch', 'attempt'), name='settlements_payout_attempt_once'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'failed'), _negated=True), fields=('batch',), name='settlements_payout_one_live_per_batch'),
        ),
        migrations.AddConstraint(
            model_name='match',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'payout'), ('payout__isnull', False), ('report', '')), models.Q(('kind', 'funding'), ('payout__isnull', True), models.Q(('report', ''), _negated=True)), _connector='OR'), name='settlements_match_has_its_other_side'),
        ),
    ]
