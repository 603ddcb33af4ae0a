"""A movement between two accounts, planned and checked before anything is written: shared by transfers, holds
and reviews. What is refused here with a name is refused by the database besides."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import IntegrityError, connection

from ledger import chart
from ledger.accounts import selectors
from ledger.actors import Actor
from ledger.chart import AccountRef
from ledger.errors import Conflict, Invalid
from ledger.journal import AccountClosed, Leg
from ledger.models import Account
from ledger.money import CurrencyMismatch, Money
from ledger.transfers import kinds, locks
from ledger.transfers.kinds import Rule, TransferType

# Who acts for the house itself; merchants act by their keys.
HOUSE: Final = frozenset({"system", "staff"})


class SameAccount(Invalid):
    """Source and target are one account."""

    code = "transfer_same_account"
    advice = "Name two accounts."


class InsufficientFunds(Conflict):
    """The account does not have as much available."""

    code = "insufficient_funds"
    advice = "Lower the amount, or wait until more is available; what is held is not available."


class LimitPassed(Conflict):
    """The account that receives would pass its bound: a loan cannot be repaid beyond what is owed."""

    code = "account_limit_passed"
    advice = "Lower the amount to what the account can take."


class VersionMismatch(Conflict):
    """The account has changed since it was read."""

    code = "account_version_mismatch"
    advice = "Read the account again, decide again, and send its present version."


class VersionNotKept(Invalid):
    """The account is moved by many at once and has no version to compare."""

    code = "account_version_not_kept"
    advice = "Leave expected_version out for this account."


@dataclass(frozen=True, slots=True)
class Movement:
    """Two accounts, the rule that joins them, the legs, and the strict accounts of the legs, locked."""

    rule: Rule
    source: Account
    target: Account
    amount: Money
    legs: list[Leg]
    rows: dict[AccountRef, Account]

    @property
    def payer(self) -> Account | None:
        """The account whose money is spent, when it is a strict one: that is where money can be held."""
        return self.rows.get(kinds.paid_from(self.legs))


@dataclass(frozen=True, slots=True)
class Ends:
    """What joins two accounts: the payment type, their public ids, the amount and the interest in it."""

    type: TransferType
    source: UUID
    target: UUID
    amount: Money
    interest: Money | None = None


def plan(merchant_id: UUID, ends: Ends, actor: Actor) -> Movement:
    """Find the accounts, check that the type joins them, and lock what it moves, in the order of ids.

    :raises SameAccount, AccountNotFound, CurrencyMismatch, WrongAccounts, HouseOnly: it does not.
    """
    if ends.source == ends.target:
        raise SameAccount("source and target are the same account", param="to_account")
    source, target = selectors.pair(merchant_id, ends.source, ends.target, ("from_account", "to_account"))
    return between(source, target, ends.type, ends.amount, ends.interest, actor)


def between(
    source: Account, target: Account, kind: TransferType, amount: Money, interest: Money | None, actor: Actor
) -> Movement:
    """Return the movement between two accounts that were read; see `plan`."""
    for row, param in ((source, "from_account"), (target, "to_account")):
        if row.currency != amount.currency:
            raise CurrencyMismatch(f"account {row.public_id} is in {row.currency}", param=param)
    ends = selectors.ref_of(source), selectors.ref_of(target)
    rule = kinds.rule_for(kind, *ends, is_house=actor.kind in HOUSE)
    legs = rule.legs(*ends, amount, interest or Money.zero(amount.currency))
    chart.remember(ends[0], source.pk)
    chart.remember(ends[1], target.pk)
    found = chart.ids_of(leg.account for leg in legs)
    locked = locks.accounts([*found.values(), source.pk, target.pk])
    rows = {ref: locked[pk] for ref, pk in found.items() if pk in locked}
    return Movement(rule, locked.get(source.pk, source), locked.get(target.pk, target), amount, legs, rows)


def check(movement: Movement, *, expected_version: int | None = None, kept: Money | None = None) -> None:
    """Check that the accounts are open, as the caller knew them, and have enough; `kept` is held for it.

    :raises AccountClosed, VersionMismatch, VersionNotKept, InsufficientFunds, LimitPassed: they do not.
    """
    for row, param in ((movement.source, "from_account"), (movement.target, "to_account")):
        if row.closed_at is not None:
            raise AccountClosed(f"account {row.public_id} is closed", param=param)
    if expected_version is not None:
        _check_version(movement.source, expected_version)
    payer = kinds.paid_from(movement.legs)
    moved: dict[AccountRef, int] = {}
    for leg in movement.legs:
        moved[leg.account] = moved.get(leg.account, 0) + leg.amount.minor
    for ref, row in movement.rows.items():
        free = kept.minor if kept is not None and ref == payer else 0
        after, held = row.balance + moved[ref], row.held - free
        low, high = row.balance_min, row.balance_max
        if (low is not None and after - held < low) or (high is not None and after + held > high):
            raise _unbearable(row, is_payer=ref == payer)


def check_hold(movement: Movement) -> Account:
    """Return the account on which the movement's amount can be held.

    :raises AccountClosed, InsufficientFunds, LimitPassed: as for moving it.
    """
    check(movement)
    payer = movement.payer
    assert payer is not None, "types that can be held are paid from strict accounts"
    return payer


def hold(account: Account, amount: Money) -> None:
    """Set money of a locked account aside, in SQL.

    :raises InsufficientFunds: there is less (also when nobody had locked the account).
    """
    _call("ledger_hold", account, amount)


def release(account: Account, amount: Money) -> None:
    """Let money of a locked account go, in SQL."""
    _call("ledger_release", account, amount)


def _call(function: str, account: Account, amount: Money) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {function}(%s, %s, %s)",
                [account.pk, account.merchant_id, amount.minor],
            )
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
        if name == "ledger_account_within_bounds":
            raise _unbearable(account, is_payer=True) from error
        raise


def _check_version(source: Account, expected: int) -> None:
    if source.is_deferred:
        raise VersionNotKept(f"account {source.public_id} is rolled up", param="expected_version")
    if source.version != expected:
        raise VersionMismatch(
            f"account {source.public_id} is at version {source.version}, not {expected}",
            param="expected_version",
            version=source.version,
        )


def _unbearable(row: Account, *, is_payer: bool) -> Conflict:
    available = selectors.funds(row, row.balance).available
    assert available is not None, "an account without a bound bears everything"
    if is_payer:
        return InsufficientFunds(
            f"{available.display()} is available on account {row.public_id}",
            param="amount",
            available=available.minor,
        )
    return LimitPassed(f"account {row.public_id} has {available.display()} left", param="amount")
