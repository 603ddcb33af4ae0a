"""The figures of a vendor at a glance (settlement-info, the vendor's balance), explained as cells.

`cell_info.<vendor>.<currency>.<figure>`: gross, commission, refunds and other are the postings of the pending
account that are in no batch yet; available, pending and receivable are accounts; in_transit and paid are
payouts. `….p3` is a hundred of the parts. The vendor is the 26 letters of its id.
"""

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import connection

from ledger import ids
from ledger.chart import Code
from ledger.explain.entries import posting_ref
from ledger.explain.registry import Scope
from ledger.explain.totals import cells
from ledger.explain.types import PARTS_MAX, Explanation, Link, Part, one
from ledger.models import Account
from ledger.money import Money
from settlements.calculation import COMMISSION, COMMISSION_BACK, REFUND, SALE
from settlements.models import Payout
from settlements.posting_rules import SETTLED
from settlements.states import PayoutState
from vendors.models import Vendor

INFO: Final = "info"
_CELL: Final = re.compile(r"([0-9a-z]{26})\.([A-Z]{3})\.([a-z_]{2,20})(?:\.p(\d{1,9}))?", re.ASCII)
_ACCOUNTS: Final = {
    "available": Code.VENDOR_AVAILABLE,
    "pending": Code.VENDOR_PENDING,
    "receivable": Code.VENDOR_RECEIVABLE,
}
_OPEN: Final = {"gross": (SALE,), "commission": (COMMISSION, COMMISSION_BACK), "refunds": (REFUND,)}
_NAMED: Final = tuple(purpose for purposes in _OPEN.values() for purpose in purposes)
_FIGURES: Final = frozenset({*_ACCOUNTS, *_OPEN, "other", "in_transit", "paid"})


@cells(INFO)
def vendor_figures(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain figures of vendors; a cell at a time, because nobody asks for many."""
    found = {}
    for tail in tails:
        match = _CELL.fullmatch(tail)
        vendor = _vendor(match[1], scope) if match and match[3] in _FIGURES else None
        if match is None or vendor is None:
            continue
        page = None if match[4] is None else int(match[4])
        parts = _paged(f"cell_{INFO}.{tail}", _parts(vendor, match[2], match[3]), page)
        total = Money(sum(part.amount.minor for part in parts), match[2])
        found[tail] = Explanation(
            ref=f"cell_{INFO}.{tail}",
            kind="vendor's figure",
            title=f"{match[3].replace('_', ' ')} of {vendor.name}, {match[2]}",
            amounts=one(total),
            parts=tuple(parts),
            causes=() if parts else (Link("nothing", "nothing came in", is_outside=True),),
            page=("vendors_vendor", str(vendor.pk)),
        )
    return found


def _vendor(letters: str, scope: Scope) -> Vendor | None:
    try:
        key = ids.parse(Vendor.PREFIX, f"{Vendor.PREFIX}_{letters}")
    except ids.BadId:
        return None
    found: Vendor | None = scope.of(Vendor.objects.filter(pk=key)).first()
    return found


def _parts(vendor: Vendor, currency: str, figure: str) -> list[Part]:
    if figure in _ACCOUNTS:
        return _account(vendor, currency, _ACCOUNTS[figure])
    if figure in ("in_transit", "paid"):
        return _payouts(vendor, currency, is_seen=figure == "paid")
    return [
        Part(purpose.replace("_", " "), Money(-amount, currency), posting_ref(entry_id, line))
        for entry_id, line, purpose, amount in _unbatched(vendor, currency)
        if (purpose in _OPEN[figure] if figure in _OPEN else purpose not in _NAMED)
    ]


def _account(vendor: Vendor, currency: str, code: Code) -> list[Part]:
    row = Account.objects.filter(
        merchant_id=vendor.merchant_id, code=code.value, owner=str(vendor.pk), currency=currency
    ).first()
    return [] if row is None else [Part("account", Money(_balance(row), currency), row.public_id)]


def _balance(row: Account) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT balance FROM ledger_balance WHERE id = %s AND merchant_id = %s", [row.pk, row.merchant_id]
        )
        return int(cursor.fetchone()[0])


def _payouts(vendor: Vendor, currency: str, *, is_seen: bool) -> list[Part]:
    rows = Payout.objects.filter(merchant_id=vendor.merchant_id, batch__vendor=vendor, currency=currency)
    rows = rows.exclude(state=PayoutState.FAILED)
    seen = (
        rows.filter(state=PayoutState.RECONCILED) if is_seen else rows.exclude(state=PayoutState.RECONCILED)
    )
    return [Part("payout", row.amount, row.public_id) for row in seen.order_by("id")]


def _unbatched(vendor: Vendor, currency: str) -> list[tuple[UUID, int, str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT p.entry_id, p.line, p.purpose, p.amount FROM ledger_posting p
               JOIN ledger_account a ON a.id = p.account_id AND a.merchant_id = p.merchant_id
               WHERE a.merchant_id = %s AND a.code = %s AND a.owner = %s AND a.currency = %s
                 AND p.purpose <> %s
                 AND NOT EXISTS (SELECT 1 FROM settlements_batchline l
                                 WHERE l.entry_id = p.entry_id AND l.line = p.line)
               ORDER BY p.recorded_at, p.entry_id, p.line""",
            [vendor.merchant_id, Code.VENDOR_PENDING.value, str(vendor.pk), currency, SETTLED],
        )
        return list(cursor.fetchall())


def _paged(ref: str, parts: list[Part], page: int | None) -> list[Part]:
    if page is not None:
        return parts[page * PARTS_MAX : (page + 1) * PARTS_MAX]
    if len(parts) <= PARTS_MAX:
        return parts
    pages = [parts[start : start + PARTS_MAX] for start in range(0, len(parts), PARTS_MAX)]
    return [
        Part(
            f"page {number}: {len(own)} parts",
            Money(sum(part.amount.minor for part in own), own[0].amount.currency),
            f"{ref}.p{number}",
        )
        for number, own in enumerate(pages)
    ]
