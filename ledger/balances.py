"""The read side of the books: balances now, exactly, for strict and deferred accounts alike.

A deferred account is its rolled-up figure plus the tail of postings past its watermark, read in one
statement. `locked` is for a step that must decide by a balance: it locks strict accounts, in id order,
until the phase ends.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from ledger import chart
from ledger.chart import AccountRef, Code
from ledger.locks import lock
from ledger.models import Account
from ledger.money import Money


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """An account with its balance; debit positive."""

    id: int
    ref: AccountRef
    balance: Money


def balance(ref: AccountRef) -> Money:
    """Return the balance of an account, debit positive; zero when it was never posted to."""
    found = _read(ref.merchant_id, ref.code, ref.owner, ref.currency)
    return found[0].balance if found else Money.zero(ref.currency)


def balances(
    merchant_id: UUID, *, code: Code | None = None, owner: str | None = None
) -> list[AccountBalance]:
    """Return a merchant's accounts with their balances, by code, owner and currency."""
    return _read(merchant_id, code, owner, None)


def locked(refs: Iterable[AccountRef]) -> dict[AccountRef, Money]:
    """Lock strict accounts in the open phase and return their balances; new accounts are opened."""
    ids = chart.ids_of(refs)
    rows = {row.pk: row for row in lock(Account.objects.filter(pk__in=ids.values(), is_deferred=False))}
    return {ref: Money(rows[pk].balance, ref.currency) for ref, pk in ids.items()}


def trial_balance(merchant_id: UUID | None = None) -> dict[str, int]:
    """Return the sum of all accounts per currency, in minor units; each must be zero."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT currency, sum(balance)::bigint FROM ledger_balance
               WHERE %(merchant)s::uuid IS NULL OR merchant_id = %(merchant)s GROUP BY 1 ORDER BY 1""",
            {"merchant": merchant_id},
        )
        return dict(cursor.fetchall())


def roll() -> int:
    """Fold the tails of deferred accounts into their rows; return how many accounts moved."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_roll()")
        return int(cursor.fetchone()[0])


def _read(
    merchant_id: UUID, code: Code | None, owner: str | None, currency: str | None
) -> list[AccountBalance]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, merchant_id, code, owner, currency, balance FROM ledger_balance
               WHERE merchant_id = %(merchant)s
                 AND (%(code)s::text IS NULL OR code = %(code)s)
                 AND (%(owner)s::text IS NULL OR owner = %(owner)s)
                 AND (%(currency)s::text IS NULL OR currency = %(currency)s)
               ORDER BY code, owner, currency""",
            {
                "merchant": merchant_id,
                "code": code.value if code else None,
                "owner": owner,
                "currency": currency,
            },
        )
        return [
            AccountBalance(row[0], AccountRef(row[1], Code(row[2]), row[3], row[4]), Money(row[5], row[4]))
            for row in cursor.fetchall()
        ]
