"""Pure: the payloads of the events of transfers, holds and alerts. Public and frozen: fields are added, never
removed. Amounts are minor units beside one `currency`; accounts are public ids."""

from typing import Any

from ledger.ids import show
from ledger.models import Account, AmlAlert, Hold, Transfer


def of_transfer(transfer: Transfer, source: Account, target: Account) -> dict[str, Any]:
    """Return what an event says of a transfer."""
    return {
        "id": transfer.public_id,
        "state": transfer.state,
        "type": transfer.type,
        "from_account": source.public_id,
        "to_account": target.public_id,
        "currency": transfer.currency,
        "amount_minor": transfer.amount_minor,
        "interest_minor": transfer.interest_minor,
        "refunded_minor": transfer.refunded_minor,
        "refunds": show(Transfer.PREFIX, transfer.refunds_id) if transfer.refunds_id else None,
        "hold_id": show(Hold.PREFIX, transfer.hold_id) if transfer.hold_id else None,
        "description": transfer.description,
        "metadata": transfer.metadata,
        "requested_by": transfer.requested_by,
        "decided_by": transfer.decided_by,
        "decision_reason": transfer.decision_reason,
    }


def of_hold(hold: Hold, account: Account, target: Account) -> dict[str, Any]:
    """Return what an event says of a hold."""
    return {
        "id": hold.public_id,
        "state": hold.state,
        "type": hold.type,
        "account": account.public_id,
        "to_account": target.public_id,
        "currency": hold.currency,
        "amount_minor": hold.amount_minor,
        "committed_minor": hold.committed_minor,
        "remaining_minor": hold.remaining.minor,
        "reviews": show(Transfer.PREFIX, hold.reviews_id) if hold.reviews_id else None,
        "expires_at": hold.expires_at.isoformat() if hold.expires_at else None,
        "description": hold.description,
        "metadata": hold.metadata,
        "requested_by": hold.requested_by,
    }


def of_alert(alert: AmlAlert, account: Account) -> dict[str, Any]:
    """Return what an event says of an alert."""
    return {
        "id": alert.public_id,
        "state": alert.state,
        "rule": alert.rule,
        "transfer_id": show(Transfer.PREFIX, alert.transfer_id),
        "account": account.public_id,
        "currency": alert.currency,
        "amount_minor": alert.amount_minor,
        "observed": alert.observed,
        "decided_by": alert.decided_by,
        "decision_reason": alert.decision_reason,
    }
