"""Who bears money that goes back, and in which of their accounts: for refunds and disputes alike.

Inside a phase: the accounts are locked here, so what a balance bears now it bears when it is posted. What it
cannot bear is owed; what comes back first settles what is owed, but never with the commission taken again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger import balances
from ledger.chart import Code
from ledger.money import Money
from payments import posting_rules
from payments.models import Payment, PaymentTransaction
from payments.posting_rules import Own, ShareRefund
from vendors import selectors as vendor_selectors
from vendors.models.merchants import CommissionOnReturn


@dataclass(frozen=True, slots=True)
class Borne:
    """One share's part of money that goes back: with the commission that follows it, or that is kept."""

    share: PaymentTransaction
    amount: Money
    commission_back: Money
    kept: Money


def parts_of(payment: Payment, wanted: Iterable[tuple[PaymentTransaction, Money]]) -> list[Borne]:
    """Return the parts with their commission, given back or kept by the merchant's policy."""
    policy = vendor_selectors.merchant(payment.merchant_id).commission_on_return
    parts = []
    for share, amount in wanted:
        due, zero = share.commission_due_back(amount), Money.zero(amount.currency)
        is_kept = policy == CommissionOnReturn.KEPT
        parts.append(Borne(share, amount, zero if is_kept else due, due if is_kept else zero))
    return parts


def taken(payment: Payment, parts: Sequence[Borne], own: Money) -> tuple[list[ShareRefund], Own]:
    """Return what each vendor and the merchant give, as far as their balances bear it."""
    accounts = [posting_rules.vendor_account(Code.VENDOR_PENDING, part.share) for part in parts]
    own_account = posting_rules.own_account(Code.MERCHANT_BALANCE, payment)
    held = balances.locked([*accounts, own_account] if own.is_positive else accounts)
    given = []
    for part, account in zip(parts, accounts, strict=True):
        bearable = part.commission_back - held[account]  # a vendor's balance is a credit: negative
        given.append(ShareRefund(part.share, part.amount, part.commission_back, min(part.amount, bearable)))
    in_balance = min(own, -held[own_account]) if own.is_positive else own
    return given, Own(own, in_balance)


def returned(payment: Payment, parts: Sequence[Borne], own: Money) -> tuple[list[ShareRefund], Own]:
    """Return what each vendor and the merchant have again, and how much of it settles what they owe."""
    accounts = [posting_rules.vendor_account(Code.VENDOR_RECEIVABLE, part.share) for part in parts]
    own_account = posting_rules.own_account(Code.MERCHANT_RECEIVABLE, payment)
    owed = balances.locked([*accounts, own_account] if own.is_positive else accounts)
    had = []
    for part, account in zip(parts, accounts, strict=True):
        to_pending = part.amount - min(part.amount - part.commission_back, owed[account])
        had.append(ShareRefund(part.share, part.amount, part.commission_back, to_pending))
    to_balance = own - min(own, owed[own_account]) if own.is_positive else own
    return had, Own(own, to_balance)
