"""Every read query of this floor. Each takes the merchant whose rows it may show; staff pass `ALL`.

A payment comes with `share_rows` (its shares in the merchant's order) and `is_processing` (an operation is
open), both by one query for any number of rows; nothing that renders needs to ask again.
"""

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Exists, F, Model, OuterRef, Prefetch, Q, QuerySet

from ledger import reading
from payments import states
from payments.models import (
    Contradiction,
    Payment,
    PaymentMethod,
    PaymentTransaction,
    ProviderOperation,
    Refund,
    RefundShare,
)
from payments.models.contradictions import ContradictionNotFound
from payments.models.operations import Kind, OperationNotFound, OutcomeKind
from payments.models.payments import PaymentNotFound
from payments.models.refunds import RefundNotFound
from payments.models.transactions import PaymentTransactionNotFound
from payments.providers import registry
from payments.providers.notices import DisputeNotice, ProviderNotice
from payments.providers.requests import returned_key
from vendors.selectors import Along

Row = TypeVar("Row", bound=Model)


class _All:
    """Stands for every merchant; only staff screens and house-keeping pass it."""


ALL: Final = _All()
Whose = UUID | _All


# --- payments -----------------------------------------------------------------------------------------------
def payments(merchant_id: Whose) -> QuerySet[Payment]:
    """Return a merchant's payments with shares and `is_processing`, unordered."""
    shares = Prefetch("shares", PaymentTransaction.objects.order_by("position"), to_attr="share_rows")
    # Any: the model declares both attributes, and the type checker's plugin would see them twice.
    rows: Any = of_merchant(merchant_id, Payment.objects.all())
    found: QuerySet[Payment] = rows.annotate(is_processing=_has_open()).prefetch_related(shares)
    return found


def payment(merchant_id: Whose, payment_id: UUID) -> Payment:
    """Return one payment.

    :raises PaymentNotFound: the merchant has none with this id.
    """
    whose = None if isinstance(merchant_id, _All) else merchant_id
    with connection.cursor() as cursor:
        cursor.execute(_PAYMENT, [payment_id, whose, whose is None])
        return _of_lines(cursor.fetchall())


def payment_along(payment_id: UUID) -> Along:
    """Return what reads one payment of a caller together with his key; `payment_read_along` takes it out."""
    return Along(_LINE, _OF_CALLER, [payment_id])


def payment_read_along(along: Along) -> Payment:
    """Return the payment that was read along with its merchant's key.

    :raises PaymentNotFound: the merchant has none with this id.
    """
    found = _of_lines([line for line in along.rows or [] if line[0]])
    found.share_rows.sort(key=attrgetter("position"))
    return found


def _of_lines(lines: list[tuple[Any, ...]]) -> Payment:
    """Return the payment of which these are the lines, one for each share."""
    if not lines:
        raise PaymentNotFound("there is no such payment")
    at = len(Payment._meta.concrete_fields)
    found = reading.row(Payment, lines[0][:at])
    found.is_processing = lines[0][at]
    # Without a share there is one line whose share is empty.
    found.share_rows = [reading.row(PaymentTransaction, line[at + 1 :]) for line in lines if line[at + 1]]
    return found


def bare_payment(merchant_id: Whose, payment_id: UUID) -> Payment:
    """Return one payment without its shares: one query, to know that it is there before a key is claimed.

    :raises PaymentNotFound: the merchant has none with this id.
    """
    return the_one(of_merchant(merchant_id, Payment.objects.all()).filter(pk=payment_id), PaymentNotFound)


def payment_by_number(merchant_id: Whose, number: str) -> Payment:
    """Return the payment with a human number.

    :raises PaymentNotFound: the merchant has none with this number.
    """
    return the_one(payments(merchant_id).filter(number=number), PaymentNotFound)


def payment_by_authorization(provider: str, reference: str) -> Payment | None:
    """Return the payment that a provider authorized, or captured, under a reference, when it is ours."""
    if not reference:
        return None
    found = Payment.objects.filter(provider=provider, provider_reference=reference).first()
    if found is not None:
        return found
    captures = ProviderOperation.objects.filter(
        provider=provider, kind="capture", outcome=OutcomeKind.APPROVED, provider_reference=reference
    )
    return Payment.objects.filter(pk__in=captures.values("payment_id")).first()


def payment_by_provider_reference(merchant_id: Whose, reference: str) -> Payment:
    """Return the payment that a provider knows under a reference: its own, or that of one of its captures.

    :raises PaymentNotFound: the merchant has none.
    """
    found = next(iter(payments(merchant_id).filter(provider_reference=reference)[:1]), None)
    if found is not None:
        return found
    of_captures = ProviderOperation.objects.filter(
        kind="capture", outcome=OutcomeKind.APPROVED, provider_reference=reference
    )
    captured = of_captures.filter(provider__in=registry.names()).values("payment_id")
    return the_one(payments(merchant_id).filter(pk__in=captured), PaymentNotFound)


def payments_with_status(merchant_id: Whose, status: str) -> QuerySet[Payment]:
    """Return the payments that have a public status, unordered.

    :raises KeyError: there is no such status.
    """
    if status not in states.PAYMENT_STATUSES:
        raise KeyError(status)
    rows = payments(merchant_id)
    if status == states.PROCESSING:
        in_motion = Q(_has_open(), state__in=states.PAYMENT_STATES_IN_MOTION)
        return rows.filter(in_motion | Q(state=states.REQUIRES_ACTION, is_voiding=True))
    if status == states.REQUIRES_ACTION:
        return rows.filter(state=status, is_voiding=False)
    state = states.CREATED if status == states.PENDING else status
    rows = rows.filter(state=state)
    return rows.filter(~_has_open()) if state in states.PAYMENT_STATES_IN_MOTION else rows


def is_method_removed(payment: Payment) -> bool:
    """Say whether the stored method with which a payment was made was removed since; no query without one."""
    if payment.stored_method_id is None:
        return False
    return PaymentMethod.objects.filter(pk=payment.stored_method_id, state=states.REMOVED).exists()


def merchant_of(payment_id: UUID) -> UUID:
    """Return the merchant of a payment that the house itself names (news, jobs).

    :raises PaymentNotFound: there is no such payment.
    """
    found = Payment.objects.filter(pk=payment_id).values_list("merchant_id", flat=True).first()
    if found is None:
        raise PaymentNotFound("there is no such payment")
    return found


def payments_to_expire(at: datetime) -> "QuerySet[Payment, tuple[UUID, UUID]]":
    """Return merchant and id of payments whose time was over at `at`, the longest over first."""
    rows = Payment.objects.filter(expires_at__lte=at, state__in=states.PAYMENT_STATES_IN_MOTION)
    return rows.filter(~_has_open()).order_by("expires_at").values_list("merchant_id", "pk")


def payments_to_warn_of(at: datetime, until: datetime) -> "QuerySet[Payment, tuple[UUID, UUID]]":
    """Return merchant and id of authorizations that lapse before `until`, of which nobody was warned and that
    are not captured by us before."""
    rows = Payment.objects.filter(
        expires_at__gt=at, expires_at__lte=until, state__in=states.RESERVED, expiry_warned_at=None
    )
    rows = rows.filter(Q(capture_at=None) | Q(capture_at__gte=F("expires_at")))
    return rows.order_by("expires_at").values_list("merchant_id", "pk")


def payments_to_complete(before: datetime) -> "QuerySet[Payment, tuple[UUID, UUID]]":
    """Return merchant and id of payments whose last capture was before an instant, the oldest first."""
    rows = Payment.objects.filter(captured_at__lte=before, state=states.CAPTURED, refunding_minor=0)
    return rows.order_by("captured_at").values_list("merchant_id", "pk")


def shares_of(payment: Payment) -> list[PaymentTransaction]:
    """Return a payment's shares in the merchant's order, from memory when they were loaded with it."""
    loaded: list[PaymentTransaction] | None = payment.__dict__.get("share_rows")
    if loaded is None:
        loaded = list(PaymentTransaction.objects.filter(payment=payment).order_by("position"))
        payment.share_rows = loaded
    return loaded


def is_processing(payment: Payment) -> bool:
    """Say whether an operation decides what comes next, from memory when it was loaded with the payment."""
    loaded: bool | None = payment.__dict__.get("is_processing")
    return has_open_operation(payment.pk, *_OF_THE_PAYMENT) if loaded is None else loaded


def has_open_operation(payment_id: UUID, *kinds: str) -> bool:
    """Say whether an operation of a payment is open (of the kinds named, or of any)."""
    rows = ProviderOperation.objects.filter(payment_id=payment_id, concluded_at=None)
    return (rows.filter(kind__in=kinds) if kinds else rows).exists()


def has_succeeded(payment_id: UUID, leg: str) -> bool:
    """Say whether an operation of a leg has succeeded for a payment."""
    rows = ProviderOperation.objects.filter(payment_id=payment_id, leg=leg)
    return rows.filter(outcome=OutcomeKind.APPROVED).exists()


# --- shares, refunds ----------------------------------------------------------------------------------------
def transactions(merchant_id: Whose) -> QuerySet[PaymentTransaction]:
    """Return a merchant's shares with payment and vendor, unordered."""
    return of_merchant(merchant_id, PaymentTransaction.objects.select_related("payment", "vendor"))


def transaction(merchant_id: Whose, transaction_id: UUID) -> PaymentTransaction:
    """Return one share with its payment and vendor.

    :raises PaymentTransactionNotFound: the merchant has none with this id.
    """
    return the_one(transactions(merchant_id).filter(pk=transaction_id), PaymentTransactionNotFound)


def refunds(merchant_id: Whose) -> QuerySet[Refund]:
    """Return a merchant's refunds with payment and `share_rows`, unordered."""
    shares = Prefetch("shares", _refund_shares(), to_attr="share_rows")
    rows: Any = of_merchant(merchant_id, Refund.objects.select_related("payment"))  # Any: as in `payments`
    found: QuerySet[Refund] = rows.prefetch_related(shares)
    return found


def refund(merchant_id: Whose, refund_id: UUID) -> Refund:
    """Return one refund with its payment and shares.

    :raises RefundNotFound: the merchant has none with this id.
    """
    return the_one(refunds(merchant_id).filter(pk=refund_id), RefundNotFound)


def refund_by_number(merchant_id: Whose, number: str) -> Refund:
    """Return the refund with a human number.

    :raises RefundNotFound: the merchant has none with this number.
    """
    return the_one(refunds(merchant_id).filter(number=number), RefundNotFound)


def refund_id(merchant_id: Whose, refund_id: UUID) -> UUID:
    """Return the id when it is a refund of the merchant: one small query before a key is claimed.

    :raises RefundNotFound: the merchant has none with this id.
    """
    the_one(of_merchant(merchant_id, Refund.objects.only("pk")).filter(pk=refund_id), RefundNotFound)
    return refund_id


def refund_shares_of(refund: Refund) -> list[RefundShare]:
    """Return a refund's shares with their payment transactions, from memory when they were loaded with it."""
    loaded: list[RefundShare] | None = refund.__dict__.get("share_rows")
    if loaded is None:
        loaded = list(_refund_shares().filter(refund=refund))
        refund.__dict__["share_rows"] = loaded
    return loaded


# --- operations -------------------------------------------------------------------------------------------
def operations(merchant_id: Whose) -> QuerySet[ProviderOperation]:
    """Return a merchant's provider operations with their payment, unordered."""
    return of_merchant(merchant_id, ProviderOperation.objects.select_related("payment"))


def operation(merchant_id: Whose, operation_id: UUID) -> ProviderOperation:
    """Return one operation with its payment.

    :raises OperationNotFound: the merchant has none with this id.
    """
    return the_one(operations(merchant_id).filter(pk=operation_id), OperationNotFound)


def operation_of(provider: str, notice: ProviderNotice | DisputeNotice) -> ProviderOperation | None:
    """Return the operation that a provider's notice speaks of, when it is ours."""
    return operations_of_notices([(provider, notice)]).get((provider, notice.idempotency_key))


def has_operation(provider: str, idempotency_key: str) -> bool:
    """Say whether an operation of ours has a key."""
    return ProviderOperation.objects.filter(provider=provider, idempotency_key=idempotency_key).exists()


def operation_by_key(provider: str, idempotency_key: str) -> ProviderOperation | None:
    """Return the operation of ours that has a key, if any."""
    return ProviderOperation.objects.filter(provider=provider, idempotency_key=idempotency_key).first()


def has_come_back(operation: ProviderOperation) -> bool:
    """Say whether an operation is a refund that was done and whose money is with us again."""
    is_done = operation.kind == Kind.REFUND and operation.has_succeeded
    return is_done and has_operation(operation.provider, returned_key(operation.idempotency_key))


def operations_of_notices(
    told: Iterable[tuple[str, ProviderNotice | DisputeNotice]],
) -> dict[tuple[str, str], ProviderOperation]:
    """Return the operations that notices speak of, by provider and key; one query for any number."""
    wanted = {(provider, notice.idempotency_key) for provider, notice in told}
    rows = ProviderOperation.objects.filter(idempotency_key__in=[key for _, key in wanted])
    found = {(row.provider, row.idempotency_key): row for row in rows}
    return {name: row for name, row in found.items() if name in wanted}


def provider_references(payment: Payment) -> set[str]:
    """Return every reference that the provider gave for a payment and its successful operations."""
    rows = ProviderOperation.objects.filter(payment=payment, outcome=OutcomeKind.APPROVED)
    found = {payment.provider_reference, *rows.values_list("provider_reference", flat=True)}
    return found - {""}


def operations_of(subject_type: str, subject_id: UUID) -> QuerySet[ProviderOperation]:
    """Return the operations of one subject, the oldest first."""
    rows = ProviderOperation.objects.filter(subject_type=subject_type, subject_id=subject_id)
    return rows.order_by("created_at", "pk")


def contradictions(merchant_id: Whose) -> QuerySet[Contradiction]:
    """Return what providers said against what was concluded, with operation and payment, unordered."""
    return of_merchant(merchant_id, Contradiction.objects.select_related("operation__payment"))


def has_open_contradiction(subject_type: str, subject_id: UUID) -> bool:
    """Say whether a provider went against its word about a subject, and nobody has decided on that."""
    about = {"operation__subject_type": subject_type, "operation__subject_id": subject_id}
    return Contradiction.objects.filter(state=states.OPEN, **about).exists()


def contradiction(merchant_id: Whose, contradiction_id: UUID) -> Contradiction:
    """Return one contradiction with its operation.

    :raises ContradictionNotFound: the merchant has none with this id.
    """
    return the_one(contradictions(merchant_id).filter(pk=contradiction_id), ContradictionNotFound)


# --- private ------------------------------------------------------------------------------------------------
# An open refund does not make a payment `processing`: the refund has a status of its own.
_OF_THE_PAYMENT: Final = ("authorize", "increment", "capture", "void")


def _refund_shares() -> QuerySet[RefundShare]:
    return RefundShare.objects.select_related("transaction").order_by("transaction__position")


_KINDS: Final = ", ".join(f"'{kind}'" for kind in _OF_THE_PAYMENT)
# `payments` by key, in one statement (the names are those of our models).
_LINE: Final = f"""{reading.columns(Payment, "p")},
           EXISTS (SELECT FROM payments_provideroperation o
                   WHERE o.payment_id = p.id AND o.concluded_at IS NULL AND o.kind IN ({_KINDS})),
           {reading.columns(PaymentTransaction, "s")}"""
_SHARES: Final = "LEFT JOIN payments_paymenttransaction s ON s.payment_id = p.id"
_PAYMENT: Final = f"""
    SELECT {_LINE} FROM payments_payment p {_SHARES}
    WHERE p.id = %s AND (p.merchant_id = %s OR %s) ORDER BY s.position"""  # noqa: S608
# The same, of the merchant `m`.
_OF_CALLER: Final = f"LEFT JOIN payments_payment p ON p.id = %s AND p.merchant_id = m.id {_SHARES}"


def _has_open() -> Exists:
    return Exists(
        ProviderOperation.objects.filter(
            payment_id=OuterRef("pk"), concluded_at=None, kind__in=_OF_THE_PAYMENT
        )
    )


def of_merchant(merchant_id: Whose, rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return those of some rows that a merchant may see."""
    return rows if isinstance(merchant_id, _All) else rows.filter(Q(merchant_id=merchant_id))


def the_one(rows: QuerySet[Row], missing: type[Exception]) -> Row:
    """Return the only row, or raise what says that there is none."""
    found = next(iter(rows[:1]), None)
    if found is None:
        raise missing(f"there is no such {rows.model._meta.verbose_name}")
    return found
