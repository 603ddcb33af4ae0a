"""Vendors' shares by hand (the sponsor's controller 3): record one, complete it, fail it, refund it.

A share may be recorded until its payment is authorized, and the shares together may not exceed the payment
(I-21). What a failed share would have taken belongs to the merchant again. `complete` wants the gateway's
reference as proof: one that the provider gave us for this payment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from ledger.actors import Actor
from ledger.errors import Conflict, Invalid
from ledger.ids import show
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import no_answer, record
from payments import locks, news, selectors
from payments.models import Payment, PaymentTransaction, Refund
from payments.models.payment_choices import CaptureMethod
from payments.rules.refund_division import BadRefundSplit, RefundTooLarge
from payments.services.calls.operations import Answer
from payments.services.payments.creating import SHARES_MAX, VendorNotActive
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from payments.states import COMPLETED, CREATED, FAILED, PENDING, REQUESTED, UNDER_REVIEW
from vendors import selectors as vendor_selectors
from vendors.models import Vendor
from vendors.services import commissions


class PaymentClosedToShares(Conflict):
    """The payment is authorized, being authorized, or over: its division is fixed."""

    code = "payment_closed_to_shares"
    advice = "Record all shares before the payment is authorized."


class AllocationTooLarge(Invalid):
    """The shares together would exceed the payment."""

    code = "allocation_too_large"
    advice = "Record at most what is not yet divided over vendors."


class ShareExists(Conflict):
    """The vendor has a share of this payment."""

    code = "share_exists"
    advice = "A vendor has one share of a payment; record it with the whole amount."


class GatewayReferenceUnknown(Conflict):
    """The reference is not one that the provider gave for this payment."""

    code = "gateway_reference_unknown"
    advice = "Send the provider_reference of the payment, or of one of its captures."


@dataclass(frozen=True, slots=True)
class ShareWish:
    """The share to record: minor units of the payment's currency."""

    transaction_id: UUID
    payment_id: UUID
    vendor_id: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ShareRefundWish:
    """What to give back of a share; None means all that is left of it."""

    refund_id: UUID
    transaction_id: UUID
    amount_minor: int | None = None
    reason: str = ""
    merchant_reference: str | None = None
    account: Mapping[str, Any] | None = field(default=None, repr=False)  # where it goes: sending_back.py
    metadata: dict[str, Any] = field(default_factory=dict)


@phased
def record_share(
    *, merchant_id: UUID, wish: ShareWish, actor: Actor, at: datetime, answer: Answer = no_answer
) -> PaymentTransaction:
    """Add a vendor's share to a payment, with the commission that holds now.

    Run again with the same `transaction_id` it finds what it made.

    :raises PaymentNotFound: no such payment. :raises VendorNotFound: no such vendor.
    :raises VendorNotActive: it may not sell. :raises PaymentClosedToShares: it is too late.
    :raises ShareExists: the vendor has one. :raises AllocationTooLarge: the payment is not that large.
    """
    payment = locks.payment(merchant_id, wish.payment_id)
    shares = locks.shares(payment.pk)
    made = next((share for share in shares if share.pk == wish.transaction_id), None)
    if made is not None:
        answer(made)
        return made
    _check_allocation(payment, shares, wish)
    vendor = vendor_selectors.vendor(merchant_id, wish.vendor_id)
    if not vendor.is_active:
        raise VendorNotActive(f"vendor {vendor.external_id} is {vendor.state}", param="vendor_id")
    share = new_share(
        payment, vendor, payment.money(wish.amount_minor), share_id=wish.transaction_id,
        position=len(shares), at=at,
    )  # fmt: skip
    with record(share, actor=actor, at=at) as entry:
        share.create()
        entry.announce(news.of_share(share))
    answer(share)
    return share


def new_share(
    payment: Payment, vendor: Vendor, amount: Money, *, share_id: UUID, position: int, at: datetime
) -> PaymentTransaction:
    """Return a share that is not written yet, with the commission that holds at `at` frozen in it."""
    quote = commissions.quote(payment.merchant_id, vendor, amount, at)
    return PaymentTransaction(
        id=share_id,
        merchant_id=payment.merchant_id,
        payment=payment,
        vendor=vendor,
        position=position,
        currency=payment.currency,
        amount_minor=amount.minor,
        commission_rate_bps=quote.rate_bps,
        commission_fixed_minor=quote.fixed_minor,
        commission_rule_id=quote.rule_id,
        commission_minor=quote.commission.minor,
        created_at=at,
    )


@phased
def complete(
    *, merchant_id: UUID, transaction_id: UUID, gateway_reference: str, actor: Actor, at: datetime,
    answer: Answer = no_answer,
) -> PaymentTransaction:  # fmt: skip
    """End a captured share: nothing more is expected of it.

    :raises PaymentTransactionNotFound: no such share. :raises StateConflict: it is not captured.
    :raises GatewayReferenceUnknown: the provider gave no such reference for its payment.
    """
    payment, share = locks.share(merchant_id, transaction_id)
    if gateway_reference not in selectors.provider_references(payment):
        raise GatewayReferenceUnknown(
            f"payment {payment.number} has no such reference at the provider", param="gateway_reference"
        )
    if share.state != COMPLETED:
        with record(share, actor=actor, at=at) as entry:
            share.complete(at)
            entry.announce(news.of_share(share))
    answer(share)
    return share


@phased
def fail(
    *, merchant_id: UUID, transaction_id: UUID, reason: str, actor: Actor, at: datetime,
    answer: Answer = no_answer,
) -> PaymentTransaction:  # fmt: skip
    """End a share without money; what it would have taken is the merchant's own again.

    :raises PaymentTransactionNotFound: no such share. :raises StateConflict: money was captured for it.
    :raises PaymentClosedToShares: an operation of its payment is under way.
    """
    payment, share = locks.share(merchant_id, transaction_id)
    if share.state == PENDING and payment.capture_method == CaptureMethod.MANAGED:
        raise PaymentClosedToShares("its marketplace payment divides it", status="processing")
    if share.state == PENDING and selectors.has_open_operation(payment.pk):
        raise PaymentClosedToShares(f"payment {payment.number} is with the provider", status="processing")
    if share.state != FAILED:
        with record(share, actor=actor, at=at) as entry:
            share.fail(reason, at)
            entry.announce(news.of_share(share))
    answer(share)
    return share


def refund(
    *, merchant_id: UUID, wish: ShareRefundWish, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Refund:
    """Ask for a refund out of one share and, when no second person is needed, carry it out at once.

    :raises PaymentTransactionNotFound: no such share. :raises RefundTooLarge: more than is left of it.
    :raises PaymentNotRefundable: nothing of the payment was captured.
    :raises RefundReferenceTaken: another refund has the merchant's reference.
    """
    share = selectors.transaction(merchant_id, wish.transaction_id)
    amount_minor = wish.amount_minor if wish.amount_minor is not None else share.refundable_minor
    try:
        made = requesting_refunds.request(
            merchant_id=merchant_id,
            wish=RefundWish(
                refund_id=wish.refund_id,
                payment_id=share.payment_id,
                amount_minor=amount_minor,
                split={share.pk: amount_minor},
                reason=wish.reason,
                merchant_reference=wish.merchant_reference,
                account=wish.account,
                metadata=wish.metadata,
            ),
            actor=actor,
            at=at,
            answer=lambda refund: answer(refund) if refund.state == REQUESTED else None,
        )
    except BadRefundSplit as error:  # of one share there is no split to speak of, only its amount
        raise RefundTooLarge(error.message, param="amount") from error
    if made.state == REQUESTED:
        return made
    return refunding.process(
        merchant_id=merchant_id,
        refund_id=made.pk,
        operation_id=uuid5(made.pk, Refund.SUBJECT),
        actor=actor,
        at=at,
        answer=answer,
    )


def _check_allocation(payment: Payment, shares: list[PaymentTransaction], wish: ShareWish) -> None:
    if payment.capture_method == CaptureMethod.MANAGED:
        raise PaymentClosedToShares("its marketplace payment divides it", param="payment_id")
    if payment.state not in (CREATED, UNDER_REVIEW) or selectors.has_open_operation(payment.pk):
        raise PaymentClosedToShares(f"payment {payment.number} is past its division", param="payment_id")
    if any(share.vendor_id == wish.vendor_id for share in shares):
        raise ShareExists(f"vendor {show('vnd', wish.vendor_id)} has a share already", param="vendor_id")
    if len(shares) >= SHARES_MAX:
        raise AllocationTooLarge(f"a payment has at most {SHARES_MAX} shares", param="payment_id")
    left = payment.amount_minor - sum(share.claim_minor for share in shares)
    if wish.amount_minor > left:
        raise AllocationTooLarge(
            f"only {payment.money(left).display()} of the payment is not divided", param="amount", left=left
        )
