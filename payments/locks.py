"""The only place of this floor that locks rows: house order, payment, operation, refund, payment transaction.

Each function locks all it needs at once, in a phase, and returns rows that are stamped as locked. Leases on
operations are taken with SKIP LOCKED, so that any number of workers share one sweep.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from ledger import locks
from payments.models import Payment, PaymentTransaction, ProviderOperation, ProviderWebhook, Refund
from payments.models.operations import OperationNotFound
from payments.models.payments import PaymentNotFound
from payments.models.refunds import RefundNotFound
from payments.models.transactions import PaymentTransactionNotFound
from payments.models.webhooks import ProviderWebhookNotFound

LEASE_SECONDS: Final = 40  # longer than one question and one new call together (11 s each), and under 60 s


def payment(merchant_id: UUID, payment_id: UUID) -> Payment:
    """Lock and return a merchant's payment.

    :raises PaymentNotFound: the merchant has none with this id.
    """
    return locks.lock_one(
        Payment.objects.filter(merchant_id=merchant_id, pk=payment_id), missing=PaymentNotFound
    )


def payment_with_operation(operation_id: UUID) -> tuple[Payment, ProviderOperation]:
    """Lock a payment, then one of its operations.

    :raises PaymentNotFound: no payment has such an operation.
    """
    row = locks.lock_one(Payment.objects.filter(operations__pk=operation_id), missing=PaymentNotFound)
    return row, operation(operation_id)


def open_authorization(payment_id: UUID) -> ProviderOperation | None:
    """Lock and return the open authorization of a locked payment, when there is one."""
    found = locks.lock(
        ProviderOperation.objects.filter(
            subject_type=Payment.SUBJECT, subject_id=payment_id, kind="authorize", concluded_at=None
        )
    )
    return found[0] if found else None


def operation(operation_id: UUID) -> ProviderOperation:
    """Lock and return an operation; its subject must be locked already.

    :raises OperationNotFound: there is none.
    """
    return locks.lock_one(ProviderOperation.objects.filter(pk=operation_id), missing=OperationNotFound)


def refund(merchant_id: UUID, refund_id: UUID) -> tuple[Payment, Refund]:
    """Lock a refund's payment, then the refund.

    :raises RefundNotFound: the merchant has none with this id.
    """
    paid = locks.lock_one(
        Payment.objects.filter(merchant_id=merchant_id, refunds__pk=refund_id), missing=RefundNotFound
    )
    return paid, locks.lock_one(
        Refund.objects.filter(merchant_id=merchant_id, pk=refund_id), missing=RefundNotFound
    )


def refund_of(operation: ProviderOperation) -> Refund:
    """Lock and return the refund that an operation carries out; its payment must be locked already.

    :raises RefundNotFound: the operation is not a refund's.
    """
    return locks.lock_one(Refund.objects.filter(pk=operation.subject_id), missing=RefundNotFound)


def shares(payment_id: UUID) -> list[PaymentTransaction]:
    """Lock and return all shares of a locked payment, in the merchant's order."""
    rows = locks.lock(PaymentTransaction.objects.filter(payment_id=payment_id))
    return sorted(rows, key=lambda row: row.position)


def share(merchant_id: UUID, transaction_id: UUID) -> tuple[Payment, PaymentTransaction]:
    """Lock a share's payment, then the share.

    :raises PaymentTransactionNotFound: the merchant has none with this id.
    """
    paid = locks.lock_one(
        Payment.objects.filter(merchant_id=merchant_id, shares__pk=transaction_id),
        missing=PaymentTransactionNotFound,
    )
    return paid, locks.lock_one(
        PaymentTransaction.objects.filter(pk=transaction_id), missing=PaymentTransactionNotFound
    )


def webhook(webhook_id: UUID) -> ProviderWebhook:
    """Lock and return an incoming webhook.

    :raises ProviderWebhookNotFound: there is none.
    """
    return locks.lock_one(ProviderWebhook.objects.filter(pk=webhook_id), missing=ProviderWebhookNotFound)


def lease_due_operations(at: datetime, limit: int) -> list[ProviderOperation]:
    """Lease up to `limit` open operations whose time to be asked has come; others skip them until it ends."""
    return _lease(
        ProviderOperation.objects.filter(concluded_at=None, ask_at__lte=at).exclude(lease_until__gt=at),
        at,
        limit,
    )


def lease_operation(operation_id: UUID, at: datetime) -> ProviderOperation | None:
    """Lease one open operation, whenever it is due; None when it is over or somebody else has it."""
    leased = _lease(
        ProviderOperation.objects.filter(pk=operation_id, concluded_at=None).exclude(lease_until__gt=at),
        at,
        1,
    )
    return leased[0] if leased else None


def _lease(queryset, at: datetime, limit: int) -> list[ProviderOperation]:
    with transaction.atomic(durable=True):
        rows = list(
            queryset.select_for_update(skip_locked=True, of=("self",), no_key=True).order_by("ask_at", "pk")[
                :limit
            ]
        )
        until = at + timedelta(seconds=LEASE_SECONDS)
        ProviderOperation.objects.filter(pk__in=[row.pk for row in rows]).update(lease_until=until)
        for row in rows:
            row.lease_until = until
    return rows
