"""Our books, the bank's lines and the providers' reports in the one shape that `matching` compares.

The key of a payout is its public id, which the bank repeats as EndToEndId; the key of a provider operation
is the idempotency key that its call carried. From our bank's side a payout is negative. How a provider names
its report on a bank line is said by its adapter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from ledger import ids
from ledger.ids import BadId
from payments.models import ProviderOperation
from payments.providers import registry
from payments.services.transfers import receiving_transfers
from settlements.models import Payout, StatementLine
from settlements.reconciliation.matching import Record
from settlements.reconciliation.reports import COMES_IN


@dataclass(frozen=True, slots=True)
class ReportName:
    """Which provider's report a bank line names."""

    provider: str
    report: str


def report_name(line: StatementLine) -> ReportName | None:
    """Return the provider's report that a bank line names, if it names one."""
    found = registry.report_named(line.remittance)
    return ReportName(*found) if found else None


def payout_id(line: StatementLine) -> UUID | None:
    """Return the payout that a bank line names, if it names one."""
    try:
        return ids.parse(Payout.PREFIX, line.end_to_end_id)
    except BadId:
        return None


def operation_id(line: StatementLine) -> UUID | None:
    """Return the operation of ours that a bank line names, if it names one."""
    try:
        return ids.parse(ProviderOperation.PREFIX, line.end_to_end_id)
    except BadId:
        return None


def transfer(line: StatementLine) -> ProviderOperation | None:
    """Return the authorization for which a payer sent the money of a line, if he quoted its reference."""
    if registry.report_named(line.remittance):
        return None
    merchant_id = line.statement.merchant_id
    return receiving_transfers.quoted_in(merchant_id, f"{line.end_to_end_id} {line.remittance}")


def payout_records(payouts: Iterable[Payout]) -> list[Record]:
    """Return payouts as the bank should show them."""
    return [Record(payout.pk, payout.public_id, -payout.amount) for payout in payouts]


def line_records(lines: Iterable[StatementLine]) -> list[Record]:
    """Return bank lines by the reference that they carry."""
    return [Record(str(line.pk), line.end_to_end_id, line.amount) for line in lines]


def operation_record(operation: ProviderOperation, late_fee: int | None = None) -> Record:
    """Return a concluded capture, refund or movement of a dispute as the provider's report should show it.

    `late_fee` minor units are what it cost, where the provider tells that by the report alone.
    """
    signed = operation.amount if operation.kind in COMES_IN else -operation.amount
    fee = operation.fee_minor if late_fee is None else late_fee
    return Record(operation.pk, operation.idempotency_key, signed, fee)
