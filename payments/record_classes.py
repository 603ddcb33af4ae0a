"""What the payments floor keeps, and how long."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from ledger import clock
from ledger.retention import Disposal, RecordClass, belongs, register
from payments.models import (
    Dispute,
    PaymentTransaction,
    ProviderOperation,
    ProviderWebhook,
    Refund,
    RefusedCallbacks,
    RetryStanding,
    Saga,
    VaultRecord,
)
from payments.states import REFUSED


@belongs
def _of_a_payment(key: UUID) -> Iterator[UUID]:
    """Find what is kept of a payment: its shares, operations, refunds, disputes and saga."""
    for model in (PaymentTransaction, ProviderOperation, Refund, Dispute, Saga):
        yield from model._default_manager.filter(payment_id=key).values_list("pk", flat=True)


@belongs
def _asked_for(key: UUID) -> Iterator[UUID]:
    """Find what providers were asked, and told, of one refund or dispute alone: their callbacks name it."""
    rows = ProviderOperation.objects.filter(
        subject_type__in=(Refund.SUBJECT, Dispute.SUBJECT), subject_id=key
    )
    yield from rows.values_list("pk", flat=True)


def _with_body(before: datetime) -> QuerySet[ProviderWebhook]:
    return ProviderWebhook.objects.filter(received_at__lt=before, processed_at__isnull=False).exclude(
        body=b""
    )


def _empty(rows: "QuerySet[Any]") -> int:
    # The row stays: it says that the message came, what was made of it, and keeps it from being taken twice.
    return rows.update(body=b"", headers={})


def _refused(before: datetime) -> QuerySet[ProviderWebhook]:
    return ProviderWebhook.objects.filter(state=REFUSED, received_at__lt=before)


def _counted(before: datetime) -> QuerySet[RefusedCallbacks]:
    return RefusedCallbacks.objects.filter(last_at__lt=before)


REFUSED_CALLBACKS = register(
    RecordClass(
        name="refused_callbacks",
        title="callbacks that nobody could verify, whole",
        disposal=Disposal.ERASE,
        rows=_refused,
        moment="received_at",
        subjects=("id",),
        days=30,
        days_min=7,
        legal_basis="evidence of attacks, until they were looked at",
    )
)

REFUSED_COUNTS = register(
    RecordClass(
        name="refused_callback_counts",
        title="counts of callbacks that nobody could verify",
        disposal=Disposal.ERASE,
        rows=_counted,
        moment="last_at",
        merchant="",
        subjects=("id",),
        days=400,
        days_min=30,
        legal_basis="evidence of attacks over a year",
    )
)

PROVIDER_WEBHOOKS = register(
    RecordClass(
        name="provider_webhooks",
        title="bodies of providers' callbacks",
        disposal=Disposal.ERASE,
        rows=_with_body,
        erase=_empty,
        moment="received_at",
        subjects=("id", "operation_id"),
        days=730,
        days_min=180,
        legal_basis="evidence in disputes, which card networks hear for up to 540 days",
    )
)


def _past_their_date(before: datetime) -> QuerySet[VaultRecord]:
    return VaultRecord.objects.filter(expires_at__lt=before, erased_at=None)


def _erase(rows: "QuerySet[Any]") -> int:
    return rows.update(wrapped_key=None, nonce=None, ciphertext=None, erased_at=clock.now())


VAULT_RECORDS = register(
    RecordClass(
        name="vault_records",
        title="numbers of cards and of refunds' accounts past their date, in the vault",
        disposal=Disposal.ERASE,
        rows=_past_their_date,
        erase=_erase,
        moment="expires_at",
        subjects=("id",),
        days=settings.VAULT_EXPIRED_DAYS,
        days_min=1,
        legal_basis="PCI DSS 4.0, 3.2.1: card data are kept no longer than they are needed",
    )
)


def _free_again(before: datetime) -> QuerySet[RetryStanding]:
    return RetryStanding.objects.filter(updated_at__lt=before)


RETRY_STANDINGS = register(
    RecordClass(
        name="retry_standings",
        title="declined tries of cards, and what they forbid",
        disposal=Disposal.ERASE,
        rows=_free_again,
        moment="updated_at",
        subjects=("id",),
        days=400,
        days_min=30,
        legal_basis="card schemes' limits look back 30 days; never approved is for a card's life",
    )
)
