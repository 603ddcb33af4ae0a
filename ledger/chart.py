"""The chart of accounts as data: every code, who may own one, on which side it grows, and how it keeps its
balance.

Strict accounts may not be overdrawn and are locked when posted to; deferred ones are hit by every payment
and keep no row up to date, so that they never serialise the house (DESIGN 7).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from ledger.errors import Invalid
from ledger.money import check_currency


class Code(StrEnum):
    """The kinds of account."""

    PROVIDER_CLEARING = "provider_clearing"
    PROVIDER_FEES = "provider_fees"
    COMMISSION = "commission"
    BANK = "bank"
    SUSPENSE = "suspense"
    PAYOUT_IN_TRANSIT = "payout_in_transit"
    VENDOR_PENDING = "vendor_pending"
    VENDOR_AVAILABLE = "vendor_available"
    VENDOR_RECEIVABLE = "vendor_receivable"
    DISPUTED = "disputed"
    DISPUTE_RESERVE = "dispute_reserve"
    MERCHANT_RECEIVABLE = "merchant_receivable"
    MERCHANT_BALANCE = "merchant_balance"
    WALLET = "wallet"
    ESCROW = "escrow"
    RESERVE = "reserve"
    PLATFORM_FEE = "platform_fee"
    INTEREST_INCOME = "interest_income"
    INTEREST_EXPENSE = "interest_expense"
    LOAN_RECEIVABLE = "loan_receivable"
    LOAN_FUNDING = "loan_funding"
    LOAN_CAPITAL = "loan_capital"
    FX_POSITION = "fx_position"
    FX_SPREAD = "fx_spread"
    FX_GAIN_LOSS = "fx_gain_loss"


class Side(StrEnum):
    """The side on which an account grows."""

    DEBIT = "debit"
    CREDIT = "credit"


@dataclass(frozen=True, slots=True)
class Kind:
    """What the chart says of a code. `owner` says whose accounts these are, for people.

    Merchants open and close where it says so; all other accounts open when first posted to, and stay.
    """

    code: Code
    title: str
    category: str
    side: Side
    owner: str
    is_deferred: bool
    may_be_overdrawn: bool
    is_opened_by_merchants: bool = False
    is_closed_by_merchants: bool = False


def _strict(code: Code, title: str, category: str, side: Side, owner: str, merchants: str = "") -> Kind:
    """Never overdrawn: its row is locked when it is posted to, so its money can be held."""
    return Kind(code, title, category, side, owner, False, False, "open" in merchants, "close" in merchants)


def _hot(code: Code, title: str, category: str, side: Side, owner: str, merchants: str = "") -> Kind:
    """Touched by any payment: no row is locked, the balance is rolled up."""
    return Kind(code, title, category, side, owner, True, True, "open" in merchants)


_DEBIT, _CREDIT = Side.DEBIT, Side.CREDIT
CHART: Final[dict[Code, Kind]] = {
    kind.code: kind
    for kind in (
        # what is ours, or owed to us
        _hot(Code.PROVIDER_CLEARING, "Owed to us by a provider", "asset", _DEBIT, "provider"),
        _hot(Code.BANK, "Our bank account", "asset", _DEBIT, "bank account"),
        _hot(Code.SUSPENSE, "Not yet explained", "asset", _DEBIT, ""),
        _strict(Code.VENDOR_RECEIVABLE, "Owed to us by a vendor", "asset", _DEBIT, "vendor"),
        _hot(Code.DISPUTED, "Taken from us by a provider, not decided", "asset", _DEBIT, "provider"),
        _strict(Code.MERCHANT_RECEIVABLE, "Owed to us by the merchant itself", "asset", _DEBIT, ""),
        _strict(Code.LOAN_RECEIVABLE, "Owed by a borrower", "asset", _DEBIT, "loan", "open, close"),
        # what we owe
        _strict(Code.VENDOR_PENDING, "Owed to a vendor, not yet payable", "liability", _CREDIT, "vendor"),
        _strict(Code.VENDOR_AVAILABLE, "Owed to a vendor, payable", "liability", _CREDIT, "vendor"),
        _strict(Code.RESERVE, "Kept back from a vendor against risk", "liability", _CREDIT, "vendor"),
        _strict(Code.ESCROW, "Kept for an order until its release", "liability", _CREDIT, "order"),
        _strict(Code.MERCHANT_BALANCE, "Owed to the merchant itself", "liability", _CREDIT, "", "open"),
        _strict(Code.WALLET, "Owed to an account's holder", "liability", _CREDIT, "holder", "open, close"),
        _strict(Code.LOAN_FUNDING, "Owed to the lender, free to be lent", "liability", _CREDIT, "", "open"),
        _strict(Code.LOAN_CAPITAL, "Owed to the lender as borrowers repay", "liability", _CREDIT, ""),
        _hot(Code.DISPUTE_RESERVE, "Taken back for disputes not decided", "liability", _CREDIT, ""),
        _hot(Code.PAYOUT_IN_TRANSIT, "Payouts on their way", "liability", _CREDIT, ""),
        # what was earned and spent
        _hot(Code.COMMISSION, "Commission earned", "income", _CREDIT, ""),
        _hot(Code.PLATFORM_FEE, "Fees earned by the platform", "income", _CREDIT, "", "open"),
        _hot(Code.INTEREST_INCOME, "Interest earned", "income", _CREDIT, "", "open"),
        _hot(Code.INTEREST_EXPENSE, "Interest paid", "expense", _DEBIT, "", "open"),
        _hot(Code.PROVIDER_FEES, "Fees of a provider", "expense", _DEBIT, "provider"),
        # exchange: what is open, what was kept, what came of other rates
        _hot(Code.FX_POSITION, "Open position of a pair", "asset", _DEBIT, "currency pair"),
        _hot(Code.FX_SPREAD, "Spread of conversions", "income", _CREDIT, ""),
        _hot(Code.FX_GAIN_LOSS, "Gain and loss of exchange", "income", _CREDIT, ""),
    )
}


class BadAccount(Invalid):
    """An account that the chart does not allow."""

    code = "account_invalid"


class AccountRef(NamedTuple):
    """An account by what it is; opened when first posted to. A tuple, for each posting looks it up."""

    merchant_id: UUID
    code: Code
    owner: str
    currency: str


_known: dict[AccountRef, int] = {}

_FIND: Final = """
    SELECT a.merchant_id, a.code, a.owner, a.currency, a.id FROM ledger_account a
    JOIN unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::bool[], %s::bigint[], %s::bigint[])
      AS n (merchant_id, code, owner, currency, is_deferred, low, high)
      USING (merchant_id, code, owner, currency)"""
_OPEN: Final = """
    INSERT INTO ledger_account (merchant_id, code, owner, currency, is_deferred, balance_min, balance_max)
    SELECT merchant_id, code, owner, currency, is_deferred, low, high
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::bool[], %s::bigint[], %s::bigint[])
      AS n (merchant_id, code, owner, currency, is_deferred, low, high)
    ORDER BY merchant_id, code, owner, currency
    ON CONFLICT DO NOTHING"""


def account(code: Code, merchant_id: UUID, currency: str, owner: str | UUID = "") -> AccountRef:
    """Return the reference of a merchant's account.

    :raises BadAccount: an owner is missing or given where the chart has none.
    """
    kind = CHART[code]
    if bool(kind.owner) != bool(str(owner)):
        raise BadAccount(f"{code} accounts have {'an owner' if kind.owner else 'no owner'}")
    return AccountRef(merchant_id, code, str(owner), check_currency(currency))


def bounds(code: Code) -> tuple[int | None, int | None]:
    """Return the least and the greatest balance that an account of this code may have; None for no bound."""
    kind = CHART[code]
    if kind.may_be_overdrawn:
        return None, None
    return (0, None) if kind.side is Side.DEBIT else (None, 0)


def ids_of(refs: Iterable[AccountRef]) -> dict[AccountRef, int]:
    """Return the row id of each account, opening those that are new (one query when all are known: none).

    An id is remembered only once its account is committed: it never changes afterwards.
    """
    wanted = set(refs)
    found = {ref: _known[ref] for ref in wanted if ref in _known}
    missing = sorted(wanted - found.keys())
    if not missing:
        return found
    opened = _open(missing)
    transaction.on_commit(lambda: _known.update(opened))
    return found | opened


def row_ids(refs: Sequence[AccountRef]) -> list[int]:
    """Return what `ids_of` does, in the order of the references: thousands that are known at a look each."""
    known = known_ids(refs)
    if known is not None:
        return known
    found = ids_of(refs)
    return [found[ref] for ref in refs]


def known_ids(refs: Sequence[AccountRef]) -> list[int] | None:
    """Return the row ids when all are remembered; None when a look is needed."""
    known = [_known.get(ref, 0) for ref in refs]
    return None if 0 in known else known


def open_named(ref: AccountRef, public_uuid: UUID) -> bool:
    """Open an account under a public id of the caller's choice; say whether it was not there yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO ledger_account (merchant_id, code, owner, currency, is_deferred, balance_min,
                                           balance_max, public_uuid)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
            [*_identity(ref, CHART[ref.code]), public_uuid],
        )
        return bool(cursor.rowcount)


def remember(ref: AccountRef, account_id: int) -> None:
    """Remember the id of an account whose row was read: posting to it then needs no look-up."""
    _known.setdefault(ref, account_id)


def forget_known() -> None:
    """Forget remembered ids (tests that throw their database away)."""
    _known.clear()


def _identity(ref: AccountRef, kind: Kind) -> tuple[Any, ...]:
    return (
        ref.merchant_id, ref.code.value, ref.owner, ref.currency, kind.is_deferred, *bounds(ref.code)
    )  # fmt: skip


def _open(refs: list[AccountRef]) -> dict[AccountRef, int]:
    columns = list(
        zip(
            *(_identity(ref, CHART[ref.code]) for ref in refs),
            strict=True,
        )
    )
    parameters = [list(column) for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(_FIND, parameters)
        rows = cursor.fetchall()
        if len(rows) < len(refs):
            # ON CONFLICT waits for another transaction that opens the same account; the second look finds it.
            cursor.execute(_OPEN, parameters)
            cursor.execute(_FIND, parameters)
            rows = cursor.fetchall()
    return {AccountRef(row[0], Code(row[1]), row[2], row[3]): row[4] for row in rows}
