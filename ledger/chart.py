"""The chart of accounts as data: every code, who may own one, on which side it grows, and how it keeps its
balance.

Strict accounts may not be overdrawn and are locked when posted to; deferred ones are hit by every payment
and keep no row up to date, so that they never serialise the house (DESIGN 7).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
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
    MERCHANT_BALANCE = "merchant_balance"


class Side(StrEnum):
    """The side on which an account grows."""

    DEBIT = "debit"
    CREDIT = "credit"


@dataclass(frozen=True, slots=True)
class Kind:
    """What the chart says of a code. `owner` says whose accounts these are, for people."""

    code: Code
    title: str
    category: str
    side: Side
    owner: str
    is_deferred: bool
    may_be_overdrawn: bool


CHART: Final[dict[Code, Kind]] = {
    kind.code: kind
    for kind in (
        Kind(Code.PROVIDER_CLEARING, "Owed to us by a provider", "asset", Side.DEBIT, "provider", True, True),
        Kind(Code.BANK, "Our bank account", "asset", Side.DEBIT, "bank account", True, True),
        Kind(Code.SUSPENSE, "Not yet explained", "asset", Side.DEBIT, "", True, True),
        Kind(Code.VENDOR_RECEIVABLE, "Owed to us by a vendor", "asset", Side.DEBIT, "vendor", False, False),
        Kind(Code.VENDOR_PENDING, "Owed to a vendor, not yet payable", "liability", Side.CREDIT, "vendor",
        False,
             False),
        Kind(Code.VENDOR_AVAILABLE, "Owed to a vendor, payable", "liability", Side.CREDIT, "vendor", False,
        False), Kind(Code.MERCHANT_BALANCE, "Owed to the merchant itself", "liability", Side.CREDIT, "",
        False, False), Kind(Code.PAYOUT_IN_TRANSIT, "Payouts on their way", "liability", Side.CREDIT, "",
        True, True), Kind(Code.COMMISSION, "Commission earned", "income", Side.CREDIT, "", True, True),
        Kind(Code.PROVIDER_FEES, "Fees of a provider", "expense", Side.DEBIT, "provider", True, True),
    )
}  # fmt: skip


class BadAccount(Invalid):
    """An account that the chart does not allow."""

    code = "account_invalid"


@dataclass(frozen=True, slots=True, order=True)
class AccountRef:
    """An account by what it is; it is opened when first posted to."""

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
    INSERT INTO ledger_account (merchant_id, code, owner, currency, is_deferred, balance_min, balance_max,
                                balance, version)
    SELECT merchant_id, code, owner, currency, is_deferred, low, high, 0, 0
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


def forget_known() -> None:
    """Forget remembered ids (tests that throw their database away)."""
    _known.clear()


def _open(refs: list[AccountRef]) -> dict[AccountRef, int]:
    columns = list(
        zip(
            *(
                (ref.merchant_id, ref.code.value, ref.owner, ref.currency, kind.is_deferred,
                 None if kind.may_be_overdrawn or kind.side is Side.CREDIT else 0,
                 None if kind.may_be_overdrawn or kind.side is Side.DEBIT else 0)
                for ref in refs
                for kind in [CHART[ref.code]]
            ),
            strict=True,
        )
    )  # fmt: skip
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
