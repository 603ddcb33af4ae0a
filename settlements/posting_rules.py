"""Pure: what each step of money out means in the books. One function per event; no query, no clock.

A vendor's money goes pending -> available (a batch closes) -> in transit (a payout is created) -> bank (the
statement shows it). Bank money is posted from statement lines only.
"""

from typing import Final

from ledger import chart
from ledger.chart import AccountRef, Code
from ledger.journal import Leg, credit, debit
from ledger.money import Money
from settlements.models import Match, Payout, SettlementBatch

SETTLED: Final = "settled"
PAYOUT: Final = "payout"
FUNDING: Final = "funding"


def batch_closed(batch: SettlementBatch) -> list[Leg]:
    """All pending money leaves: first what the vendor owes us is recovered, the rest becomes available."""
    legs = [debit(vendor_account(Code.VENDOR_PENDING, batch), batch.pending, SETTLED)]
    if batch.recovered.is_positive:
        legs.append(credit(vendor_account(Code.VENDOR_RECEIVABLE, batch), batch.recovered, SETTLED))
    return [*legs, credit(vendor_account(Code.VENDOR_AVAILABLE, batch), batch.net, SETTLED)]


def payout_created(payout: Payout, batch: SettlementBatch) -> list[Leg]:
    """The money is set aside until the bank shows it or the provider says no."""
    return [
        debit(vendor_account(Code.VENDOR_AVAILABLE, batch), payout.amount, PAYOUT),
        credit(_in_transit(payout), payout.amount, PAYOUT),
    ]


def payout_failed(payout: Payout, batch: SettlementBatch) -> list[Leg]:
    """The money is the vendor's again, payable by another payout."""
    return [
        debit(_in_transit(payout), payout.amount, PAYOUT),
        credit(vendor_account(Code.VENDOR_AVAILABLE, batch), payout.amount, PAYOUT),
    ]


def payout_reconciled(payout: Payout, bank_account: str) -> list[Leg]:
    """The bank shows that the money left our account."""
    return [
        debit(_in_transit(payout), payout.amount, PAYOUT),
        credit(_bank(payout, bank_account), payout.amount, PAYOUT),
    ]


def funding_confirmed(match: Match, bank_account: str) -> list[Leg]:
    """The provider paid what it owed us; or drew from us, when refunds were more than captures."""
    bank = _bank(match, bank_account)
    clearing = chart.account(Code.PROVIDER_CLEARING, match.merchant_id, match.currency, match.provider)
    if match.amount.is_positive:
        return [debit(bank, match.amount, FUNDING), credit(clearing, match.amount, FUNDING)]
    return [debit(clearing, -match.amount, FUNDING), credit(bank, -match.amount, FUNDING)]


def fees_told(match: Match, fees: Money) -> list[Leg]:
    """What the provider kept of the operations of a report, where it tells that by the report alone."""
    whose = (match.merchant_id, match.currency, match.provider)
    clearing = chart.account(Code.PROVIDER_CLEARING, *whose)
    charged = chart.account(Code.PROVIDER_FEES, *whose)
    if fees.is_zero:
        return []
    if fees.is_positive:
        return [debit(charged, fees, "fee"), credit(clearing, fees, "fee")]
    return [debit(clearing, -fees, "fee"), credit(charged, -fees, "fee")]


def deposit_reconciled(match: Match, bank_account: str) -> list[Leg]:
    """The bank shows that a small deposit left our account; the match's amount is negative."""
    transit = chart.account(Code.PAYOUT_IN_TRANSIT, match.merchant_id, match.currency)
    return [
        debit(transit, -match.amount, "verification"),
        credit(_bank(match, bank_account), -match.amount, "verification"),
    ]


def vendor_account(code: Code, batch: SettlementBatch) -> AccountRef:
    """Return one of the accounts of a batch's vendor, in the batch's currency."""
    return chart.account(code, batch.merchant_id, batch.currency, str(batch.vendor_id))


def _in_transit(payout: Payout) -> AccountRef:
    return chart.account(Code.PAYOUT_IN_TRANSIT, payout.merchant_id, payout.currency)


def _bank(row: Payout | Match, bank_account: str) -> AccountRef:
    return chart.account(Code.BANK, row.merchant_id, row.currency, bank_account)
