"""The settlement detail report of a batch: a CSV file, read as the house reads any provider's report. Pure.

Amounts are decimal; fees stand in four columns of a line (commission, markup, scheme fees, interchange). A
report is believed only when every line and the whole add up to what was paid out. What is not about a payment
of ours (invoices, corrections) stands under a name of its own, which no operation explains: a person looks.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from ledger.errors import Invalid
from ledger.money import Money, exponent
from payments.providers.adyen import mapping
from payments.providers.errors import ProviderRefused, Unanswered
from payments.providers.notices import ProviderReport, ReportLine
from payments.providers.requests import capture_key, returned_key

NAME: Final = re.compile(r"[0-9]{1,9}")
FEES: Final = ("Commission (NC)", "Markup (NC)", "Scheme Fees (NC)", "Interchange (NC)")
COLUMNS: Final = (
    "Psp Reference", "Creation Date", "Type", "Modification Reference", "Gross Currency",
    "Gross Debit (GC)", "Gross Credit (GC)", "Net Currency", "Net Debit (NC)", "Net Credit (NC)", *FEES,
    "Modification Merchant Reference",
)  # fmt: skip
PAYOUT: Final = "MerchantPayout"
OPERATIONS: Final = {"Settled": "capture", "Refunded": "refund"}
MOVEMENTS: Final = {
    "Chargeback": ("withdrawal", "chargeback"),
    "SecondChargeback": ("withdrawal", "second_chargeback"),
    "ChargebackReversed": ("reinstatement", "chargeback_reversed"),
}
RETURNED: Final = "RefundedReversed"
CAPTURE_FAILED: Final = "CaptureFailed"
OURS: Final = frozenset({*OPERATIONS, *MOVEMENTS, RETURNED, CAPTURE_FAILED})
SIZE_MAX: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `net` is signed (positive: to us), `fee` what Adyen keeps of `gross`, which is signed too."""

    number: int
    type: str
    payment: str
    modification: str
    reference: str
    day: str
    gross: Money
    net: Money
    fee: Money


def file_name(report_id: str) -> str:
    """The file of a batch.

    :raises ProviderRefused: it cannot be a batch of Adyen's.
    """
    if not NAME.fullmatch(report_id):
        raise ProviderRefused("this is not a batch of Adyen's", provider_code="bad_reference")
    return f"settlement_detail_report_batch_{report_id}.csv"


def report(report_id: str, content: bytes) -> ProviderReport:
    """Read a report.

    :raises Unanswered: it is none, has several currencies, or does not add up.
    """
    try:
        rows = _rows(content.decode("utf-8-sig"))
        payouts = [row for row in rows if row.type == PAYOUT]
        (payout,) = payouts
        currency, day = payout.net.currency, date.fromisoformat(payout.day[:10])
        if any(currency not in (row.gross.currency, row.net.currency) for row in rows):
            raise ValueError("several currencies")
        lines = [_line(row) for row in _standing([row for row in rows if row.type != PAYOUT])]
        made = ProviderReport.of(report_id, day, lines, currency)
    except (ValueError, KeyError, TypeError, InvalidOperation, Invalid, csv.Error) as error:
        raise Unanswered("bad_body") from error
    if made.net != -payout.net:
        raise Unanswered("report_does_not_add_up")
    return made


def _rows(text: str) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    if not set(COLUMNS) <= set(reader.fieldnames or ()):
        raise ValueError("columns are missing")
    return [_row(number, told) for number, told in enumerate(reader, start=1)]


def _row(number: int, told: Mapping[str, str]) -> Row:
    """Read one line, in which net is gross less fees.

    :raises ValueError: it is not.
    """
    currency = told["Net Currency"]
    net = _signed(told, "Net Debit (NC)", "Net Credit (NC)", currency)
    fee = sum((_amount(told[name], currency) for name in FEES), Money.zero(currency))
    is_operation = told["Type"] in OURS
    gross = net
    if is_operation:
        gross = _signed(told, "Gross Debit (GC)", "Gross Credit (GC)", told["Gross Currency"])
        if gross - fee != net:
            raise ValueError("a line does not add up")
    reference = told["Modification Merchant Reference"] or told.get("Merchant Reference", "")
    return Row(
        number, told["Type"], told["Psp Reference"], told["Modification Reference"], reference,
        told["Creation Date"], gross, net, fee if is_operation else Money.zero(currency),
    )  # fmt: skip


def _standing(rows: list[Row]) -> list[Row]:
    """Leave out the captures that failed within the report: they moved nothing."""
    settled = {row.modification for row in rows if row.type == "Settled"}
    failed = {row.modification for row in rows if row.type == CAPTURE_FAILED and not row.fee.minor}
    gone = settled & failed
    kept = [row for row in rows if row.modification not in gone or row.type in MOVEMENTS]
    left_out = sum((row.net.minor for row in rows if row not in kept), 0)
    return kept if left_out == 0 else rows


def _line(row: Row) -> ReportLine:
    amount = row.gross if row.gross.minor >= 0 else -row.gross
    if row.type in OPERATIONS:
        kind, key = mapping.operation_of(row.reference)
        if kind == "sale" and row.type == "Settled":
            kind, key = "capture", capture_key(key)
        if kind != OPERATIONS[row.type]:
            kind, key = OPERATIONS[row.type], f"adyen_{row.modification}"
        return ReportLine(kind, key, row.modification, amount, row.fee, row.payment)
    if row.type == RETURNED and row.gross.is_positive:
        kind, key = mapping.operation_of(row.reference)
        key = returned_key(key if kind == "refund" else f"adyen_{row.modification}")
        return ReportLine("refund_returned", key, row.modification, amount, row.fee, row.payment)
    if row.type in MOVEMENTS:
        kind, name = MOVEMENTS[row.type]
        key = f"{row.modification}:{name}"
        return ReportLine(kind, key, key, amount, row.fee, row.payment)
    kind = "reinstatement" if row.gross.minor >= 0 else "withdrawal"
    key = f"adyen_{row.type.lower()}_{row.modification or row.number}"[:100]
    return ReportLine(kind, key, key, amount, row.fee, row.payment)


def _signed(told: Mapping[str, str], debit: str, credit: str, currency: str) -> Money:
    return _amount(told[credit], currency) - _amount(told[debit], currency)


def _amount(text: str, currency: str) -> Money:
    """A decimal amount; an empty one is nothing.

    :raises ValueError: more decimals than the currency has.
    """
    minor = Decimal(text or "0").scaleb(exponent(currency))
    if not minor.is_finite() or minor != minor.to_integral_value() or abs(minor) > Decimal(10) ** 18:
        raise ValueError("not an amount")
    return Money(int(minor), currency)
