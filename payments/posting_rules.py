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
from payments.models import BankFile, Payment, PaymentMethod, PaymentTransaction
from payments.rules.capture_division import Part


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


def deposited(method: PaymentMethod, provider: str, amount: Money) -> list[Leg]:
    """Return the legs of a small deposit to a customer's account: a cost of the provider, on its way out."""
    fees = chart.account(Code.PROVIDER_FEES, method.merchant_id, amount.currency, provider)
    transit = chart.account(Code.PAYOUT_IN_TRANSIT, method.merchant_id, amount.currency)
    return [debit(fees, amount, "verification"), credit(transit, amount, "verification")]


def return_charged(file: BankFile, fee: Money) -> list[Leg]:
    """Return the legs of a fee for an entry that came back before its money had come: the bank keeps it."""
    fees = chart.account(Code.PROVIDER_FEES, file.merchant_id, fee.currency, file.rail)
    clearing = chart.account(Code.PROVIDER_CLEARING, file.merchant_id, fee.currency, file.rail)
    return [debit(fees, fee, "return_fee"), credit(clearing, fee, "return_fee")]


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


@dataclass(frozen=True, slots=True)
class Own:
    """What the merchant itself bears or has back: `in_balance` as far as its balance bears it, the rest is
    owed."""

    amount: Money
    in_balance: Money


def refunded(payment: Payment, refunds: Sequence[ShareRefund], own: Own, provider: str) -> list[Leg]:
    """Return the legs of a refund: its provider paid the customer, each vendor gives its part back.

    It is not always the payment's: money that came by wire goes back by a rail.
    A vendor first gets the commission on it back; what the pending balance cannot bear is a receivable, and
    so it is with the merchant's own part.
    """
    amount = sum((refund.amount for refund in refunds), own.amount)
    clearing = _account(payment, Code.PROVIDER_CLEARING, provider)
    return [*_signed(clearing, -amount, "refund"), *_borne(payment, refunds, own, "refund")]


def refund_returned(payment: Payment, refunds: Sequence[ShareRefund], own: Own, provider: str) -> list[Leg]:
    """Return the legs of a completed refund that the provider then reported as failed: all goes back.

    `from_pending` is here what goes back to the vendor's pending balance; the rest settles what it owes.
    """
    return _negated(refunded(payment, refunds, own, provider))


def dispute_withdrawn(payment: Payment, parts: Sequence[ShareRefund], own: Own, fee: Money) -> list[Leg]:
    """Return the legs of money that a provider took over a dispute: it is contested, and set aside.

    Who bears it bears it at once (as for a refund); what they gave stands in reserve until it is decided.
    """
    amount = sum((part.amount for part in parts), own.amount)
    return [
        *_signed(_clearing(payment), -amount, "dispute_funds"),
        *_signed(_disputed(payment), amount, "dispute_funds"),
        *_dispute_fee(payment, fee),
        *_borne(payment, parts, own, "dispute"),
        *_signed(_account(payment, Code.DISPUTE_RESERVE), -amount, "dispute_reserve"),
    ]


def dispute_reinstated(
    payment: Payment, parts: Sequence[ShareRefund], own: Own, fee: Money, given_up: Money
) -> list[Leg]:
    """Return the legs of money that a provider gave back: who bore it has it again.

    `given_up` of it had been settled as lost, and stands neither as contested nor in reserve any more.
    `from_pending` and `in_balance` are here what goes back there; the rest settles what is owed.
    """
    amount = sum((part.amount for part in parts), own.amount)
    contested = amount - given_up
    return [
        *_signed(_clearing(payment), amount, "dispute_funds"),
        *_signed(_disputed(payment), -contested, "dispute_funds"),
        *_dispute_fee(payment, fee),
        *_negated(_borne(payment, parts, own, "dispute")),
        *_signed(_account(payment, Code.DISPUTE_RESERVE), contested, "dispute_reserve"),
    ]


def dispute_settled(payment: Payment, amount: Money) -> list[Leg]:
    """Return the legs of money that will not come back: those who bore it have paid it."""
    return [
        *_signed(_disputed(payment), -amount, "dispute_settled"),
        *_signed(_account(payment, Code.DISPUTE_RESERVE), amount, "dispute_settled"),
    ]


def vendor_account(code: Code, share: PaymentTransaction) -> AccountRef:
    """Return a vendor's account in the currency of one of its shares."""
    return chart.account(code, share.merchant_id, share.currency, str(share.vendor_id))


def own_account(code: Code, payment: Payment) -> AccountRef:
    """Return an account of the merchant itself in the currency of a payment."""
    return _account(payment, code)


def _borne(payment: Payment, parts: Sequence[ShareRefund], own: Own, purpose: str) -> list[Leg]:
    legs: list[Leg] = []
    for part in parts:
        pending = vendor_account(Code.VENDOR_PENDING, part.share)
        owed = part.amount - part.from_pending
        legs += _signed(pending, -part.commission_back, "commission_back")
        legs += _signed(_account(payment, Code.COMMISSION), part.commission_back, "commission_back")
        legs += _signed(pending, part.from_pending, purpose)
        legs += _signed(vendor_account(Code.VENDOR_RECEIVABLE, part.share), owed, purpose)
    legs += _signed(_account(payment, Code.MERCHANT_BALANCE), own.in_balance, purpose)
    owed = own.amount - own.in_balance
    return legs + _signed(_account(payment, Code.MERCHANT_RECEIVABLE), owed, purpose)


def _dispute_fee(payment: Payment, fee: Money) -> list[Leg]:
    fees = _account(payment, Code.PROVIDER_FEES, payment.provider)
    return [*_signed(_clearing(payment), -fee, "dispute_fee"), *_signed(fees, fee, "dispute_fee")]


def _negated(legs: Sequence[Leg]) -> list[Leg]:
    return [Leg(leg.account, -leg.amount, leg.purpose) for leg in legs]


def _disputed(payment: Payment) -> AccountRef:
    return _account(payment, Code.DISPUTED, payment.provider)


def _clearing(payment: Payment) -> AccountRef:
    return _account(payment, Code.PROVIDER_CLEARING, payment.provider)


def _account(payment: Payment, code: Code, owner: str = "") -> AccountRef:
    return chart.account(code, payment.merchant_id, payment.currency, owner)


def _signed(account: AccountRef, amount: Money, purpose: str) -> list[Leg]:
    """Return a debit for a positive amount, a credit for a negative one, nothing for zero."""
    if amount.is_zero:
        return []
    return [debit(account, amount, purpose) if amount.is_positive else credit(account, -amount, purpose)]
