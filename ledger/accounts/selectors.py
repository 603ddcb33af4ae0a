"""Accounts as people see them: with the balance of this instant on the side on which each grows, what is held
of it, and what is therefore available."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import BigIntegerField, QuerySet
from django.db.models.expressions import RawSQL

from ledger.chart import CHART, AccountRef, Code, Kind, Side
from ledger.models import Account
from ledger.models.accounts import AccountNotFound
from ledger.money import Money

# The exact balance also of an account whose row is not kept up to date (`balances`).
_EXACT: Final = "(SELECT b.balance FROM ledger_balance b WHERE b.id = ledger_account.id)"


@dataclass(frozen=True, slots=True)
class Funds:
    """What is on an account, positive on the side on which it grows.

    `available` is what may leave it; None where nothing stops it from being overdrawn.
    """

    balance: Money
    held: Money
    available: Money | None


def accounts(merchant_id: UUID, **filters: Any) -> QuerySet[Account]:
    """Return a merchant's accounts, each with its exact balance (`exact`, debit positive)."""
    exact = RawSQL(_EXACT, [], output_field=BigIntegerField())  # noqa: S611  (a constant)
    return Account.objects.filter(merchant_id=merchant_id, **filters).annotate(exact=exact)


def account(merchant_id: UUID, public_uuid: UUID) -> Account:
    """Return one account of a merchant with its exact balance.

    :raises AccountNotFound: the merchant has none with this id.
    """
    found = accounts(merchant_id, public_uuid=public_uuid).first()
    if found is None:
        raise AccountNotFound("the merchant has no such account")
    return found


def pair(merchant_id: UUID, one: UUID, other: UUID, params: tuple[str, str]) -> tuple[Account, Account]:
    """Return two accounts of a merchant in one query; `params` name them in a refusal.

    :raises AccountNotFound: one of them is not there.
    """
    rows = Account.objects.filter(merchant_id=merchant_id, public_uuid__in={one, other})
    found = {row.public_uuid: row for row in rows}
    for key, param in zip((one, other), params, strict=True):
        if key not in found:
            raise AccountNotFound("the merchant has no such account", param=param)
    return found[one], found[other]


def funds(row: Account, balance_minor: int | None = None) -> Funds:
    """Return what is on an account: by its exact balance when it was selected, else by the strict row."""
    kind = kind_of(row)
    minor = balance_minor if balance_minor is not None else getattr(row, "exact", row.balance)
    sign = 1 if kind.side is Side.DEBIT else -1
    own = Money(sign * minor, row.currency)
    held = Money(row.held, row.currency)
    return Funds(own, held, None if kind.may_be_overdrawn else own - held)


def kind_of(row: Account) -> Kind:
    """Return what the chart says of an account."""
    return CHART[Code(row.code)]


def ref_of(row: Account) -> AccountRef:
    """Return an account's reference, by which entries name it."""
    return AccountRef(row.merchant_id, Code(row.code), row.owner, row.currency)


def by_id(account_ids: Iterable[int]) -> dict[int, Account]:
    """Return accounts by row id in one query (for renderings of rows that name accounts)."""
    return Account.objects.in_bulk(set(account_ids))
