"""The one step that writes a transfer: completed with its posting, or under review with its money held.

A transfer asked for by itself and one that commits a hold both come here, so the rules against money
laundering cannot be gone round by a hold. All rows are locked and checked already.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from ledger.actors import Actor
from ledger.models import AmlAlert, Hold, Transfer
from ledger.recording import Entry, record
from ledger.transfers import movements, news, screening
from ledger.transfers.movements import Movement
from ledger.transfers.screening import Finding

STEP = "transfer"


def book(
    transfer: Transfer, movement: Movement, *, actor: Actor, at: datetime, hold: Hold | None = None
) -> None:
    """Write a new transfer, with what the rules find in it; `hold` keeps its money already."""
    findings = screening.screen(movement.source, movement.amount, at)
    alerts = [_alert(transfer, finding, at) for finding in findings]
    if any(finding.holds_transfer for finding in findings):
        _open_review(transfer, movement, alerts, hold, actor, at)
    else:
        _complete(transfer, movement, alerts, hold, actor, at)


def announce(entry: Entry, movement: Movement, transfer: Transfer, *holds: Hold) -> None:
    """Tell of a transfer, and of holds whose accounts are the movement's."""
    entry.announce(news.of_transfer(transfer, movement.source, movement.target), transfer)
    for hold in holds:
        entry.announce(news.of_hold(hold, movement.payer or movement.source, movement.target), hold)


def _complete(
    transfer: Transfer, movement: Movement, alerts: Sequence[AmlAlert], hold: Hold | None, actor: Actor,
    at: datetime,
) -> None:  # fmt: skip
    holds = [hold] if hold is not None else []
    if hold is not None and movement.payer is not None:
        movements.release(movement.payer, movement.amount)
    with record(transfer, *holds, *alerts, actor=actor, at=at) as entry:
        transfer.complete(at)
        for one in holds:
            is_last = one.remaining == movement.amount
            take = partial(one.commit, at=at) if is_last else one.commit_part
            take(movement.amount)
        _raise(alerts)
        entry.post(movement.legs, step=STEP, kind=transfer.type)
        announce(entry, movement, transfer, *holds)
        _announce_alerts(entry, movement, alerts)


def _open_review(
    transfer: Transfer, movement: Movement, alerts: Sequence[AmlAlert], hold: Hold | None, actor: Actor,
    at: datetime,
) -> None:  # fmt: skip
    passed = [hold] if hold is not None else []
    kept = [_review_hold(transfer, movement, at)] if movement.payer is not None else []
    if movement.payer is not None and hold is None:
        movements.hold(movement.payer, movement.amount)
    with record(transfer, *passed, *kept, *alerts, actor=actor, at=at) as entry:
        transfer.open_review()
        for one in passed:
            is_last = one.remaining == movement.amount
            give = partial(one.pass_on, at=at) if is_last else one.pass_part
            give(movement.amount)
        for one in kept:
            one.place()
        _raise(alerts)
        announce(entry, movement, transfer, *passed, *kept)
        _announce_alerts(entry, movement, alerts)


def _review_hold(transfer: Transfer, movement: Movement, at: datetime) -> Hold:
    return Hold(
        merchant_id=transfer.merchant_id,
        type=transfer.type,
        account=movement.payer,
        target=movement.target,
        currency=transfer.currency,
        amount_minor=transfer.amount_minor,
        reviews=transfer,
        requested_by=transfer.requested_by,
        created_at=at,
    )


def _alert(transfer: Transfer, finding: Finding, at: datetime) -> AmlAlert:
    return AmlAlert(
        merchant_id=transfer.merchant_id,
        rule=finding.rule,
        transfer=transfer,
        account_id=transfer.source_id,
        currency=transfer.currency,
        amount_minor=transfer.amount_minor,
        observed=finding.observed,
        holds_transfer=finding.holds_transfer,
        created_at=at,
    )


def _raise(alerts: Sequence[AmlAlert]) -> None:
    for alert in alerts:
        alert.raise_alert()


def _announce_alerts(entry: Entry, movement: Movement, alerts: Sequence[AmlAlert]) -> None:
    for alert in alerts:
        entry.announce(news.of_alert(alert, movement.source), alert)


def made_before(merchant_id: UUID, transfer_id: UUID) -> Transfer | None:
    """Return the transfer that an earlier run of the same request made."""
    return Transfer.objects.filter(merchant_id=merchant_id, pk=transfer_id).first()
