"""Locks around payment methods: a customer, then a method, then an operation about it."""

from uuid import UUID

from django.db import connection

from ledger import locks
from payments import locks as payment_locks
from payments.models import PaymentMethod, ProviderOperation
from payments.models.methods import PaymentMethodNotFound


def customer(merchant_id: UUID, customer_ref: str) -> None:
    """Let nobody else change which of a customer's methods is the default until this phase ends.

    A lock on rows would not do: a customer may have none yet.
    """
    locks.require_phase()
    whose = f"customer|{merchant_id}|{customer_ref}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [whose])


def method(merchant_id: UUID, method_id: UUID) -> PaymentMethod:
    """Lock and return a payment method.

    :raises PaymentMethodNotFound: the merchant has none with this id.
    """
    return locks.lock_one(
        PaymentMethod.objects.filter(merchant_id=merchant_id, pk=method_id), missing=PaymentMethodNotFound
    )


def method_of(operation_id: UUID) -> tuple[PaymentMethod, ProviderOperation]:
    """Lock a payment method, then an operation about it.

    :raises OperationNotFound: there is none. :raises PaymentMethodNotFound: it is about something else.
    """
    subjects = ProviderOperation.objects.filter(pk=operation_id, subject_type=PaymentMethod.SUBJECT)
    row = locks.lock_one(
        PaymentMethod.objects.filter(pk__in=subjects.values("subject_id")), missing=PaymentMethodNotFound
    )
    return row, payment_locks.operation(operation_id)
