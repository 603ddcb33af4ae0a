"""Pure: the payment types as data. Between which accounts each may move money, and what it posts.

Every type debits its source and credits its target; a loan moves the lender's money besides, so that nobody
lends what he has not set aside. Amounts are divided by the caller (principal and interest), never here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ledger import chart
from ledger.chart import AccountRef, Code
from ledger.errors import Forbidden, Invalid
from ledger.journal import Leg, credit, debit
from ledger.money import Money


class TransferType(StrEnum):
    """The payment types."""

    TRANSFER = "transfer"
    PAYMENT = "payment"
    REFUND = "refund"
    FEE = "fee"
    INTEREST = "interest"
    LOAN_DISBURSEMENT = "loan_disbursement"
    LOAN_PAYMENT = "loan_payment"


class WrongAccounts(Invalid):
    """A transfer of this type does not go between these accounts."""

    code = "transfer_accounts_wrong"
    advice = "Look at the types and the accounts between which each moves money."


class HouseOnly(Forbidden):
    """Only the house itself pays from this account."""

    code = "transfer_for_the_house_only"
    advice = "Pay interest out of the merchant's own balance instead."


Legs = Callable[[AccountRef, AccountRef, Money, Money], list[Leg]]


def _named(purpose: str) -> Legs:
    def legs(source: AccountRef, target: AccountRef, amount: Money, interest: Money) -> list[Leg]:
        return [debit(source, amount, purpose), credit(target, amount, purpose)]

    return legs


def _disbursed(loan: AccountRef, borrower: AccountRef, amount: Money, interest: Money) -> list[Leg]:
    """The borrower is given the lender's money; he owes it, and the lender is owed it as he repays."""
    return [
        debit(_lenders(Code.LOAN_FUNDING, loan), amount, "disbursement"),
        credit(borrower, amount, "disbursement"),
        debit(loan, amount, "principal"),
        credit(_lenders(Code.LOAN_CAPITAL, loan), amount, "principal"),
    ]


def _repaid(borrower: AccountRef, loan: AccountRef, amount: Money, interest: Money) -> list[Leg]:
    """The principal goes back to what can be lent and lowers the debt; the interest is earned."""
    principal = amount - interest
    legs = [debit(borrower, amount, "repayment")]
    if principal.is_positive:
        legs += [
            credit(_lenders(Code.LOAN_FUNDING, loan), principal, "principal"),
            debit(_lenders(Code.LOAN_CAPITAL, loan), principal, "principal"),
            credit(loan, principal, "principal"),
        ]
    if interest.is_positive:
        legs.append(credit(_lenders(Code.INTEREST_INCOME, loan), interest, "interest"))
    return legs


def _lenders(code: Code, loan: AccountRef) -> AccountRef:
    return chart.account(code, loan.merchant_id, loan.currency)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a type does: the pairs of accounts it may join, its legs, and whether a hold may be placed for it.

    `by_house` are the pairs that no merchant's key may use: the money would come out of nothing of his.
    """

    pairs: frozenset[tuple[Code, Code]]
    legs: Legs
    can_be_held: bool = False
    has_interest: bool = False
    by_house: frozenset[tuple[Code, Code]] = frozenset()


_OWN: Final = (Code.WALLET, Code.MERCHANT_BALANCE)


def _between(sources: tuple[Code, ...], targets: tuple[Code, ...]) -> frozenset[tuple[Code, Code]]:
    return frozenset((source, target) for source in sources for target in targets)


RULES: Final[Mapping[TransferType, Rule]] = {
    TransferType.TRANSFER: Rule(
        _between((*_OWN, Code.LOAN_FUNDING), (*_OWN, Code.LOAN_FUNDING)), _named("transfer"), can_be_held=True
    ),
    TransferType.PAYMENT: Rule(
        _between((Code.WALLET,), (Code.MERCHANT_BALANCE, Code.WALLET)), _named("payment"), can_be_held=True
    ),
    TransferType.REFUND: Rule(
        _between((Code.MERCHANT_BALANCE, Code.WALLET), (Code.WALLET,)), _named("refund")
    ),
    TransferType.FEE: Rule(
        _between(_OWN, (Code.PLATFORM_FEE,)) | {(Code.WALLET, Code.MERCHANT_BALANCE)}, _named("fee"),
        can_be_held=True,
    ),
    TransferType.INTEREST: Rule(
        _between(_OWN, (*_OWN, Code.INTEREST_INCOME)) | _between((Code.INTEREST_EXPENSE,), _OWN),
        _named("interest"),
        by_house=_between((Code.INTEREST_EXPENSE,), _OWN),
    ),
    TransferType.LOAN_DISBURSEMENT: Rule(_between((Code.LOAN_RECEIVABLE,), _OWN), _disbursed),
    TransferType.LOAN_PAYMENT: Rule(
        _between(_OWN, (Code.LOAN_RECEIVABLE,)), _repaid, has_interest=True
    ),
}  # fmt: skip
HOLD_TYPES: Final = tuple(kind for kind, rule in RULES.items() if rule.can_be_held)


def rule_for(kind: TransferType, source: AccountRef, target: AccountRef, *, is_house: bool) -> Rule:
    """Return the rule of a type between two accounts.

    :raises WrongAccounts: it does not go between them. :raises HouseOnly: only the house may do it.
    """
    rule, pair = RULES[kind], (source.code, target.code)
    if pair not in rule.pairs:
        ends = sorted({theirs for ours, theirs in rule.pairs if ours == source.code})
        param = "to_account" if ends else "from_account"
        raise WrongAccounts(f"a {kind} does not go from {source.code} to {target.code}", param=param)
    if pair in rule.by_house and not is_house:
        raise HouseOnly(f"a {kind} from {source.code} is the house's own", param="from_account")
    return rule


def paid_from(legs: list[Leg]) -> AccountRef:
    """Return the account whose money the legs spend: the first one that is debited."""
    return legs[0].account
