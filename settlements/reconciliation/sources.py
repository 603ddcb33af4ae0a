"""Our books, the bank's lines and the providers' reports in the one shape that `matching` compares.

The key of a payout is its public id, which the bank repeats as EndToEndId; the key of a provider operation
is the idempotency key that its call carried. From our bank's side a payout is negative.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from ledger import ids
from ledger.ids import BadId
from payments.models import ProviderOperation
from settlements.models import Payout, StatementLine
from settlements.reconciliation.matching import Record
from settlements.reconciliation.reports import COMES_IN

# How each provider names its report on the bank line: provider -> pattern with one group.
_REPORT_NAMES = {"velocitypay": re.compile(r"\bVELOCITYPAY SETTLEMENT (sr_[a-z0-9_]{1,90})\b")}


@dataclass(frozen=True, slots=True)
class ReportName:
    """Which provider's report a bank line names."""

    provider: str
    report: str


def report_name(line: StatementLine) -> ReportName | None:
    """Return the provider's report that a bank line names, if it names one."""
    for provider, pattern in _REPORT_NAMES.items():
        found = pattern.search(line.remittance)
        if found:
            return ReportName(provider, found.group(1))
    return None


def payout_id(line: StatementLine) -> UUID | None:
    """Return the payout that a bank line names, if it names one."""
    try:
        return ids.parse(Payout.PREFIX, line.end_to_end_id)
    except BadId:
        return None


def payout_records(payouts: Iterable[Payout]) -> list[Record]:
    """Return payouts as the bank should show them."""
    return [Record(payout.pk, payout.public_id, -payout.amount) for payout in payouts]


def line_records(lines: Iterable[StatementLine]) -> list[Record]:
    """Return bank lines by the reference that they carry."""
    return [Record(str(line.pk), line.end_to_end_id, line.amount) for line in lines]


def operation_record(operation: ProviderOperation) -> Record:
    """Return a concluded capture, refund or movement of a dispute as the provider's report should show it."""
    signed = operation.amount if operation.kind in COMES_IN else -operation.amount
    return Record(operation.pk, operation.idempotency_key, signed, operation.fee_minor)
