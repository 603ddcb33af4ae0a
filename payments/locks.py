"""The only place of this floor that locks rows: house order, payment, operation, refund, dispute, share.

Each function locks all it needs at once, in a phase, and returns rows that are stamped as locked. Leases on
operations are taken with SKIP LOCKED, so that any number of workers share one sweep.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, QuerySet

from ledger import locks
from ledger.locks import require_phase
from payments.models import (
    Contradiction,
    Dispute,
    Payment,
    PaymentTransaction,
    ProviderOperation,
    ProviderWebhook,
    Refund,
    RetryStanding,
)
from payments.models.contradictions import ContradictionNotFound
from payments.models.disputes import DisputeNotFound
from payments.models.operations import OperationNotFound
from payments.models.payments import PaymentNotFound
from payments.models.refunds import RefundNotFound
from payments.models.retries import RetryStandingNotFound
from payments.models.transactions import PaymentTransactionNotFound
from payments.models.webhooks import ProviderWebhookNotFound
from payments.states import APPROVED, REQUESTED

WEBHOOK_LEASE_SECONDS: Final = 60
SUBJECT_AT_ONCE: Final = 20  # messages of one subject that are taken together
LEASE_SECONDS: Final = 40  # longer than one question and one new call together (11 s each), and under 60 s


def payment(merchant_id: UUID, payment_id: UUID) -> Payment:
    """Lock and return a merchant's payment.

    :raises PaymentNotFound: the merchant has none with this id.
    """
    return locks.lock_one(
        Payment.objects.filter(merchant_id=merchant_id, pk=payment_id), missing=PaymentNotFound
    )


@contextmanager
def knowing(paid: Payment, operation: ProviderOperation) -> Iterator[None]:
    """Let this process take up again the rows that it has just written, when nobody changed them meanwhile.

    Whoever changes a row raises its version, and every change of an operation shows in `_CHANGING`. So the
    first `payment_with_operation` in the block returns them, and has them locked and compared by a statement
    that goes ahead of the phase's next one; where anything differs the phase is run again (SQLSTATE 40001,
    `ledger.locks`) and reads all of them as ever. `paid.share_rows` are all its shares.
    """
    token = _known.set((paid, operation))
    try:
        yield
    finally:
        _known.reset(token)


def payment_with_operation(operation_id: UUID) -> tuple[Payment, ProviderOperation]:
    """Lock a payment, then one of its operations, in one statement: rows are locked in the order of `OF`.

    :raises PaymentNotFound: no payment has such an operation.
    """
    known = _known.get()
    if known is not None and known[1].pk == operation_id:
        _known.set(None)  # once: a phase that is run again has rows that its first run has moved
        _take_up(*known)
        return known
    pair = locks.lock_pair(
        # The merchant's column makes it an inner join; the other side of an outer one cannot be locked.
        ProviderOperation.objects.filter(pk=operation_id, payment__merchant_id=F("merchant_id")),
        before="payment",
    )
    if pair is None:
        raise PaymentNotFound("there is no such payment")
    operation, payment = pair
    return payment, operation


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


def waiting_refunds(paid: Payment) -> list[Refund]:
    """Lock and return the refunds of a locked payment that no provider was asked for, the newest first."""
    rows = locks.lock(Refund.objects.filter(payment=paid, state__in=(REQUESTED, APPROVED)))
    return rows[::-1]


def dispute(merchant_id: UUID, dispute_id: UUID) -> tuple[Payment, Dispute]:
    """Lock a dispute's payment, then the dispute.

    :raises DisputeNotFound: the merchant has none with this id.
    """
    paid = locks.lock_one(
        Payment.objects.filter(merchant_id=merchant_id, disputes__pk=dispute_id), missing=DisputeNotFound
    )
    found = locks.lock_one(Dispute.objects.filter(pk=dispute_id), missing=DisputeNotFound)
    found.payment = paid
    return paid, found


def dispute_by_reference(paid: Payment, reference: str) -> Dispute | None:
    """Lock and return the dispute of a locked payment that its provider knows by a reference, if there is
    one."""
    rows = locks.lock(Dispute.objects.filter(payment=paid, provider_reference=reference))
    for row in rows:
        row.payment = paid
    return rows[0] if rows else None


def shares(payment_id: UUID) -> list[PaymentTransaction]:
    """Lock and return all shares of a locked payment, in the merchant's order."""
    rows = locks.lock(PaymentTransaction.objects.filter(payment_id=payment_id))
    return sorted(rows, key=lambda row: row.position)


def shares_of(paid: Payment) -> list[PaymentTransaction]:
    """Lock and return all shares of a locked payment, in the merchant's order, unless they were locked with
    it."""
    rows: list[PaymentTransaction] | None = paid.__dict__.get("share_rows")
    return rows if rows and all(map(locks.is_locked, rows)) else shares(paid.pk)


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


def contradiction(contradiction_id: UUID) -> Contradiction:
    """Lock and return a contradiction; its operation must be locked already.

    :raises ContradictionNotFound: there is none.
    """
    return locks.lock_one(Contradiction.objects.filter(pk=contradiction_id), missing=ContradictionNotFound)


def retry_standing(standing_id: UUID) -> RetryStanding:
    """Lock and return a card's standing.

    :raises RetryStandingNotFound: there is none.
    """
    return locks.lock_one(RetryStanding.objects.filter(pk=standing_id), missing=RetryStandingNotFound)


def webhook(webhook_id: UUID) -> ProviderWebhook:
    """Lock and return an incoming webhook.

    :raises ProviderWebhookNotFound: there is none.
    """
    return locks.lock_one(ProviderWebhook.objects.filter(pk=webhook_id), missing=ProviderWebhookNotFound)


def webhooks(webhook_ids: Iterable[UUID]) -> list[ProviderWebhook]:
    """Lock and return incoming webhooks, in the order of their keys, without their bodies."""
    rows = ProviderWebhook.objects.filter(pk__in=list(webhook_ids)).defer("body", "headers")
    return locks.lock(rows)


def webhooks_skipping(rows: "QuerySet[ProviderWebhook]", limit: int) -> list[ProviderWebhook]:
    """Lock and return up to `limit` of some webhooks, the oldest first, leaving out what others hold."""
    require_phase()
    free = rows.defer("body", "headers").select_for_update(skip_locked=True, of=("self",), no_key=True)
    return list(free.order_by("pk")[:limit])


def claim_webhooks(at: datetime, limit: int) -> list[ProviderWebhook]:
    """Lease what is due to be applied: up to `limit` subjects, each with its waiting messages in order.

    A subject that somebody else is at work on is left out, and so is one whose oldest message is leased.
    """
    return _claim_webhooks(_DUE_HEADS, {"at": at, "limit": limit})


def claim_webhooks_of(provider: str, subject: str, at: datetime) -> list[ProviderWebhook]:
    """Lease the waiting messages about one subject, in order, whenever they are due; empty when taken."""
    return _claim_webhooks(_HEAD_OF, {"at": at, "provider": provider, "subject": subject})


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


# The oldest waiting message of a subject stands for all of them: only it is leased. A sibling under a lease
# (it was the oldest when it was taken) keeps the subject with its taker.
_FREE_HEAD: Final = """
    h.state = 'received' AND (h.lease_until IS NULL OR h.lease_until <= %(at)s)
    AND NOT EXISTS (
        SELECT 1 FROM payments_providerwebhook s
        WHERE s.provider = h.provider AND s.subject = h.subject AND s.state = 'received'
          AND (s.id < h.id OR s.lease_until > %(at)s))"""
# All that waits is read once, whatever is known of it: by statistics of a quiet hour nothing waits, and then
# a search for each message's elder siblings reads all the others each time (5,000 waiting: 6 to 15 s). What
# is locked is looked up by its key, so its condition must fit no index of what waits; and `IS TRUE` keeps the
# subjects that were taken in a table of hashes.
_DUE_HEADS: Final = """
    WITH heads AS MATERIALIZED (
        SELECT id, apply_at FROM (
            SELECT id, apply_at, row_number() OVER (subject_of ORDER BY id) AS place,
                   max(lease_until) OVER subject_of AS held_until
            FROM payments_providerwebhook WHERE state = 'received'
            WINDOW subject_of AS (PARTITION BY provider, subject)) w
        WHERE place = 1 AND apply_at <= %(at)s AND (held_until IS NULL OR held_until <= %(at)s))
    SELECT h.id FROM heads JOIN payments_providerwebhook h ON h.id = heads.id
    WHERE h.apply_at <= %(at)s AND (h.lease_until IS NULL OR h.lease_until <= %(at)s)
    ORDER BY heads.apply_at LIMIT %(limit)s
    FOR NO KEY UPDATE OF h SKIP LOCKED"""
_HEAD_OF: Final = f"""
    SELECT h.id FROM payments_providerwebhook h
    WHERE {_FREE_HEAD} AND h.provider = %(provider)s AND h.subject = %(subject)s
    FOR NO KEY UPDATE OF h SKIP LOCKED"""  # noqa: S608 - constants of this file
_TAKE: Final = """
    UPDATE payments_providerwebhook SET lease_until = %s WHERE id = ANY(%s) RETURNING provider, subject"""
_TAKEN: Final = """
    WITH mine AS MATERIALIZED (
        SELECT id FROM (
            SELECT id, row_number() OVER (PARTITION BY provider, subject ORDER BY id) AS place
            FROM payments_providerwebhook
            WHERE state = 'received'
              AND ((provider, subject) IN (SELECT * FROM unnest(%s::text[], %s::text[]))) IS TRUE) m
        WHERE place <= %s)
    SELECT w.* FROM mine JOIN payments_providerwebhook w ON w.id = mine.id ORDER BY w.id"""


_known: ContextVar[tuple[Payment, ProviderOperation] | None] = ContextVar("known", default=None)
_CHANGING: Final = (
    "tries", "asks", "outcome", "sent_at", "ask_at", "lease_until", "noted_at", "concluded_at",
)  # fmt: skip
_LOCK_KNOWN: Final = f"""
    WITH pair AS MATERIALIZED (
        SELECT p.id, p.version, {", ".join(f"o.{name}" for name in _CHANGING)}
        FROM payments_provideroperation o JOIN payments_payment p ON p.id = o.payment_id
        WHERE o.id = %s AND p.merchant_id = o.merchant_id
        FOR NO KEY UPDATE OF p, o),
    held AS MATERIALIZED (
        SELECT s.id, s.version FROM pair CROSS JOIN LATERAL (
            SELECT id, version FROM payments_paymenttransaction
            WHERE payment_id = pair.id ORDER BY id FOR NO KEY UPDATE) s)
    SELECT CASE WHEN
        (SELECT (version, {", ".join(_CHANGING)})
                IS NOT DISTINCT FROM (%s, {", ".join(["%s"] * len(_CHANGING))}) FROM pair)
        AND (SELECT array_agg(id::text || ' ' || version ORDER BY id) FROM held)
            IS NOT DISTINCT FROM %s::text[]
    THEN 0 ELSE payments_changed_meanwhile() END"""  # noqa: S608 - constants of this file


def _take_up(paid: Payment, operation: ProviderOperation) -> None:
    """Lock a payment, its operation and its shares, ahead of the phase's next statement, and have the phase
    run again when they are not as this process wrote them."""
    unit = require_phase()
    shares = sorted(f"{row.pk} {row.version}" for row in paid.share_rows)
    expected = [getattr(operation, name) for name in _CHANGING]
    transaction.get_connection().say_ahead(
        _LOCK_KNOWN, [operation.pk, paid.version, *expected, shares or None]
    )
    for row in (paid, operation, *paid.share_rows):
        locks.stamp(row, unit)


def _claim_webhooks(heads: str, parameters: Mapping[str, Any]) -> list[ProviderWebhook]:
    until = parameters["at"] + timedelta(seconds=WEBHOOK_LEASE_SECONDS)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(heads, parameters)
        found = [row[0] for row in cursor.fetchall()]
        if not found:
            return []
        cursor.execute(_TAKE, [until, found])
        subjects = cursor.fetchall()
        providers, names = [row[0] for row in subjects], [row[1] for row in subjects]
        return list(ProviderWebhook.objects.raw(_TAKEN, [providers, names, SUBJECT_AT_ONCE]))
