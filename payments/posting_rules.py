"""Pure: what each step of a payment means in the books. One function per event; no query, no clock.

Every list of legs sums to zero in the payment's currency. Clearing is what the provider owes us (the amount
less its fee); a vendor's pending balance takes the sale and gives the commission back to the merchant's
books as two lines, so that a batch can explain both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger import chart
from ledger.chart import AccountRef, Code
from ledger.journal import Leg, credit, debit
from ledger.money import Money
from payments.capture_division import Part
from payments.models import Payment, PaymentTransaction


@dataclass(frozen=True, slots=True)
class ShareCapture:
    """What one vendor's share takes of a capture."""

    share: PaymentTransaction
    part: Part


@dataclass(frozen=True, slots=True)
class ShareRefund:
    """What one vendor gives back: `from_pending` as far as the balance bears it, the rest is owed."""

    share: PaymentTransaction
    amount: Money
    commission_back: Money
    from_pending: Money


def captured(payment: Payment, captures: Sequence[ShareCapture], own: Money, fee: Money) -> list[Leg]:
    """Return the legs of a capture: the provider owes the amount less its fee, each vendor has a sale.

    `own` is the merchant's remainder; `fee` is what the provider keeps (zero when it does not say).
    """
    amount = sum((capture.part.amount for capture in captures), own)
    legs = [*_signed(_clearing(payment), amount - fee, "clearing")]
    legs += _signed(_account(payment, Code.PROVIDER_FEES, payment.provider), fee, "fee")
    for capture in captures:
        pending = vendor_account(Code.VENDOR_PENDING, capture.share)
        legs += _signed(pending, -capture.part.amount, "sale")
        legs += _signed(pending, capture.part.commission, "commission")
        legs += _signed(_account(payment, Code.COMMISSION), -capture.part.commission, "commission")
    return legs + _signed(_account(payment, Code.MERCHANT_BALANCE), -own, "sale")


def refunded(payment: Payment, refunds: Sequence[ShareRefund], own: Money) -> list[Leg]:
    """Return the legs of a refund: the provider paid the customer, each vendor gives its part back.

    A vendor first gets the commission on it back; what the pending balance cannot bear is a receivable.
    """
    amount = sum((refund.amount for refund in refunds), own)
    legs = _signed(_clearing(payment), -amount, "refund")
    for refund in refunds:
        pending = vendor_account(Code.VENDOR_PENDING, refund.share)
        owed = refund.amount - refund.from_pending
        legs += _signed(pending, -refund.commission_back, "commission_back")
        legs += _signed(_account(payment, Code.COMMISSION), refund.commission_back, "commission_back")
        legs += _signed(pending, refund.from_pending, "refund")
        legs += _signed(vendor_account(Code.VENDOR_RECEIVABLE, refund.share), owed, "refund")
    return legs + _signed(_account(payment, Code.MERCHANT_BALANCE), own, "refund")


def refund_returned(payment: Payment, refunds: Sequence[ShareRefund], own: Money) -> list[Leg]:
    """Return the legs of a completed refund that the provider then reported as failed: all goes back.

    `from_pending` is here what goes back to the vendor's pending balance; the rest settles what it owes.
    """
    return [Leg(leg.account, -leg.amount, leg.purpose) for leg in refunded(payment, refunds, own)]


def vendor_account(code: Code, share: PaymentTransaction) -> AccountRef:
    """Return a vendor's account in the currency of one of its shares."""
    return chart.account(code, share.merchant_id, share.currency, str(share.vendor_id))


def _clearing(payment: Payment) -> AccountRef:
    return _account(payment, Code.PROVIDER_CLEARING, payment.provider)


def _account(payment: Payment, code: Code, owner: str = "") -> AccountRef:
    return chart.account(code, payment.merchant_id, payment.currency, owner)


def _signed(account: AccountRef, amount: Money, purpose: str) -> list[Leg]:
    """Return a debit for a positive amount, a credit for a negative one, nothing for zero."""
    if amount.is_zero:
        return []
    return [debit(account, amount, purpose) if amount.is_positive else credit(account, -amount, purpose)]
