"""How settlements, payouts, bank statements and breaks look to merchants: plain dictionaries, built by hand.

`state` inside is `status` outside. The account number of a vendor is never shown, only its end.
"""

from datetime import UTC, datetime
from typing import Any

from ledger.ids import show
from ledger.money import Money
from settlements.calculation import Reckoning
from settlements.models import BankStatement, Break, Payout, SettlementBatch
from settlements.selectors import VendorInfo
from settlements.services.importing import Imported
from vendors.commission import CommissionQuote
from vendors.models import Vendor


def settlement(batch: SettlementBatch) -> dict[str, Any]:
    """Return a settlement with its last payout."""
    payouts = sorted(batch.payouts.all(), key=lambda payout: payout.attempt)
    return {
        "id": batch.public_id,
        "object": "settlement",
        "number": batch.number,
        "status": batch.state,
        "vendor_id": show("vnd", batch.vendor_id),
        "business_date": batch.business_date.isoformat(),
        "sequence": batch.sequence,
        "gross": _money(batch.gross_minor, batch),
        "commission": _money(batch.commission_minor, batch),
        "refunds": _money(batch.refunds_minor, batch),
        "other": _money(batch.other_minor, batch),
        "recovered": _money(batch.recovered_minor, batch),
        "net": _money(batch.net_minor, batch),
        "items": batch.items,
        "payout": payout(payouts[-1]) if payouts else None,
        "created_at": instant(batch.occurred_at),
        "paid_at": instant(batch.paid_at),
    }


def payout(row: Payout) -> dict[str, Any]:
    """Return a payout; its id is the EndToEndId that the bank's statement shows."""
    return {
        "id": row.public_id,
        "object": "payout",
        "status": row.state,
        "attempt": row.attempt,
        "amount": row.amount.as_json(),
        "account_last4": row.account_end,
        "provider": row.provider,
        "provider_reference": row.provider_reference or None,
        "failure_code": row.failure_code or None,
        "created_at": instant(row.occurred_at),
        "paid_at": instant(row.paid_at),
    }


def vendor_info(vendor: Vendor, rows: list[VendorInfo]) -> dict[str, Any]:
    """Return what is owed to a vendor in each currency, and what a settlement now would say."""
    return {
        "object": "settlement_info",
        "vendor_id": vendor.public_id,
        "vendor_status": vendor.state,
        "currencies": [
            {
                "currency": row.currency,
                "open": _reckoning(row.open),
                "available": row.available.as_json(),
                "in_transit": row.in_transit.as_json(),
                "paid": row.paid.as_json(),
                "receivable": row.receivable.as_json(),
                "last_settlement_id": row.last.public_id if row.last else None,
            }
            for row in rows
        ],
    }


def commission(vendor: Vendor, amount: Money, quote: CommissionQuote) -> dict[str, Any]:
    """Return what the platform would keep of a sale, and by which rule."""
    return {
        "object": "commission_preview",
        "vendor_id": vendor.public_id,
        "amount": amount.as_json(),
        "commission": quote.commission.as_json(),
        "net": (amount - quote.commission).as_json(),
        "rate_bps": quote.rate_bps,
        "fixed": Money(quote.fixed_minor, amount.currency).as_json(),
        "rule_id": str(quote.rule_id) if quote.rule_id else None,
    }


def bank_statement(row: BankStatement) -> dict[str, Any]:
    """Return a bank statement, without its lines."""
    return {
        "id": row.public_id,
        "object": "bank_statement",
        "status": row.state,
        "account": row.account,
        "currency": row.currency,
        "reference": row.reference,
        "closed_on": row.closed_on.isoformat() if row.closed_on else None,
        "opening": _optional(row.opening_minor, row.currency),
        "closing": _optional(row.closing_minor, row.currency),
        "lines": row.line_count,
        "problem": row.problem or None,
        "created_at": instant(row.occurred_at),
    }


def imported(result: Imported) -> dict[str, Any]:
    """Return what an import did."""
    return {
        "object": "bank_statement_import",
        "statements": [
            {**bank_statement(stored.statement), "is_new": stored.is_new} for stored in result.statements
        ],
        "new_lines": result.new_lines,
        "matched": sum(run.matched for run in result.runs),
        "breaks_opened": sum(run.breaks_opened for run in result.runs),
        "breaks_resolved": sum(run.breaks_resolved for run in result.runs),
    }


def difference(row: Break) -> dict[str, Any]:
    """Return a break: what does not agree, and what it is about."""
    return {
        "id": row.public_id,
        "object": "break",
        "status": row.state,
        "reason": row.reason,
        "amount": row.amount.as_json(),
        "bank_statement_id": row.statement.public_id if row.statement else None,
        "line": row.line.line_no if row.line else None,
        "payout_id": row.payout.public_id if row.payout else None,
        "detail": row.detail,
        "resolution": row.resolution or None,
        "created_at": instant(row.occurred_at),
        "resolved_at": instant(row.resolved_at),
    }


def instant(at: datetime | None) -> str | None:
    """Return an instant in UTC with milliseconds (RFC 3339), or nothing."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def _reckoning(found: Reckoning) -> dict[str, Any]:
    return {
        "gross": found.gross.as_json(),
        "commission": found.commission.as_json(),
        "refunds": found.refunds.as_json(),
        "other": found.other.as_json(),
        "recovered": found.recovered.as_json(),
        "net": found.net.as_json(),
        "items": found.items,
    }


def _money(minor: int, batch: SettlementBatch) -> dict[str, Any]:
    return {"amount": minor, "currency": batch.currency}


def _optional(minor: int | None, currency: str) -> dict[str, Any] | None:
    return None if minor is None else {"amount": minor, "currency": currency}
