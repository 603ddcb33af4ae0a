"""Runs and violations of the invariants, and restorations with their law; see the SQL file beside this."""

from pathlib import Path

import django_fsm
from django.db import migrations, models

import ledger.ids
import ledger.states
from ledger.states import guard_sql, unguard_sql

UNDO = """
DROP FUNCTION ledger_restore_balance;
CREATE OR REPLACE FUNCTION ledger_guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE was text := '';
BEGIN
    IF TG_OP = 'UPDATE' THEN was := OLD.state; END IF;
    IF NOT EXISTS (SELECT 1 FROM ledger_state_edge e
                   WHERE e.machine = TG_ARGV[0] AND e.source = was AND e.target = NEW.state) THEN
        RAISE EXCEPTION 'machine % has no edge from "%" to "%"', TG_ARGV[0], was, NEW.state
            USING ERRCODE = '23514', CONSTRAINT = 'ledger_state_edge';
    END IF;
    RETURN NEW;
END $$;
DROP FUNCTION ledger_is_restoring;
DROP FUNCTION ledger_restoration_law CASCADE;
ALTER TABLE ledger_restoration DROP COLUMN applied_in;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0011_retention'),
    ]

    operations = [
        migrations.CreateModel(
            name='InvariantRun',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('full', 'Everything'), ('changed', 'What changed')], max_length=8)),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('transaction_from', models.BigIntegerField()),
                ('transaction_to', models.BigIntegerField()),
                ('checked', models.PositiveSmallIntegerField(default=0)),
                ('broken', models.PositiveSmallIntegerField(default=0)),
                ('duration_ms', models.PositiveIntegerField(default=0)),
            ],
            options={
                'verbose_name': 'run of the invariants',
                'verbose_name_plural': 'runs of the invariants',
                'db_table': 'ledger_invariant_run',
                'indexes': [models.Index(fields=['kind', '-started_at'], name='ledger_invariant_run_by_kind')],
            },
        ),
        migrations.CreateModel(
            name='InvariantViolation',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('number', models.CharField(max_length=8)),
                ('sentence', models.CharField(max_length=200)),
                ('detail', models.TextField()),
                ('fingerprint', models.CharField(max_length=64)),
                ('subject_type', models.CharField(blank=True, max_length=40)),
                ('subject_key', models.CharField(blank=True, max_length=40)),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
                ('gone_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name': 'violation',
                'db_table': 'ledger_invariant_violation',
                'indexes': [models.Index(fields=['number', '-last_seen_at'], name='ledger_violation_by_number')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('gone_at', None)), fields=('fingerprint',), name='ledger_violation_open_once')],
            },
        ),
        migrations.CreateModel(
            name='Restoration',
            fields=[
                ('id', models.UUIDField(default=ledger.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('event_hash', models.BinaryField(default=b'')),
                ('merchant_id', models.UUIDField()),
                ('subject_type', models.CharField(max_length=40)),
                ('subject_key', models.CharField(max_length=40)),
                ('sequence', models.BigIntegerField()),
                ('difference', models.JSONField()),
                ('reason', models.CharField(max_length=1000)),
                ('state', ledger.states.StateField(default='', max_length=32, protected=True)),
                ('proposer', models.CharField(max_length=120)),
                ('first_approver', models.CharField(blank=True, max_length=120)),
                ('second_approver', models.CharField(blank=True, max_length=120)),
                ('rejecter', models.CharField(blank=True, max_length=120)),
                ('decision_reason', models.CharField(blank=True, max_length=1000)),
                ('proposed_at', models.DateTimeField()),
                ('approved_at', models.DateTimeField(blank=True, null=True)),
                ('applied_at', models.DateTimeField(blank=True, null=True)),
                ('rejected_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'db_table': 'ledger_restoration',
                'indexes': [models.Index(fields=['state', 'id'], name='ledger_restoration_by_state')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('state', 'applied'), _negated=True), models.Q(models.Q(('first_approver', ''), _negated=True), models.Q(('second_approver', ''), _negated=True), models.Q(('first_approver', models.F('second_approver')), _negated=True), models.Q(('first_approver', models.F('proposer')), _negated=True), models.Q(('second_approver', models.F('proposer')), _negated=True)), _connector='OR'), name='ledger_restoration_two_approvers'), models.UniqueConstraint(condition=models.Q(('state__in', ['proposed', 'approved'])), fields=('subject_type', 'subject_key'), name='ledger_restoration_one_open')],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.RunSQL(
            guard_sql("ledger_restoration", "restoration"), unguard_sql("ledger_restoration")
        ),
        migrations.RunSQL(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"), UNDO),
    ]
