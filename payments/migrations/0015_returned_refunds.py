"""Keep the return of a refund that failed late as an operation, also of those that did before (I-25)."""

from django.db import migrations, models

from ledger.ids import uuid7


def keep_earlier_returns(apps, schema_editor):
    """Write the operation of every refund that was done and failed later."""
    operations = apps.get_model("payments", "ProviderOperation").objects
    refunds = apps.get_model("payments", "Refund").objects
    done = operations.filter(kind="refund", outcome="approved", subject_type="refund")
    failed = refunds.filter(state="failed", pk__in=done.values("subject_id")).in_bulk()
    operations.bulk_create(
        [
            operations.model(
                id=uuid7(), merchant_id=one.merchant_id, kind="refund_returned", subject_type="refund",
                subject_id=one.subject_id, leg="refund_returned", payment_id=one.payment_id,
                provider=one.provider, amount_minor=one.amount_minor, currency=one.currency,
                idempotency_key=f"{one.idempotency_key}:returned", asked_by=one.asked_by,
                created_at=failed[one.subject_id].closed_at, outcome="approved",
                provider_reference=one.provider_reference, noted_at=failed[one.subject_id].closed_at,
                concluded_at=failed[one.subject_id].closed_at,
            )
            for one in done.filter(subject_id__in=list(failed))
        ]
    )  # fmt: skip


def forget_returns(apps, schema_editor):
    """Undo it: the entries in the books remain."""
    apps.get_model("payments", "ProviderOperation").objects.filter(kind="refund_returned").delete()


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0014_retry_limits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='provideroperation',
            name='kind',
            field=models.CharField(choices=[('authorize', 'Authorize'), ('increment', 'Increment'), ('capture', 'Capture'), ('void', 'Void'), ('refund', 'Refund'), ('transfer', 'Transfer'), ('challenge', 'Challenge a dispute'), ('accept', 'Accept a dispute'), ('withdrawal', 'Withdrawal of a dispute'), ('reinstatement', 'Reinstatement of a dispute'), ('refund_returned', 'Return of a refund'), ('return_fee', 'Fee of a return'), ('verify', 'Verify a payment method'), ('deposit', 'Small deposit to verify an account')], max_length=16),
        ),
        migrations.RunPython(keep_earlier_returns, forget_returns),
    ]
