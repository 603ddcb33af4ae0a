"""A person's verdict on an alert against money laundering.

Clearing an alert that holds a transfer moves its money out of the hold of its review; upholding it gives the
money back and rejects the transfer. A flagged pattern held nothing: its verdict is only kept. Who asked for a
transfer does not decide on it.
"""

from datetime import datetime
from uuid import UUID

from ledger import audit, crashpoints
from ledger.actors import Actor
from ledger.errors import Forbidden
from ledger.machines import OPEN
from ledger.models import AmlAlert, Hold, Transfer
from ledger.models.transfers import AmlAlertNotFound
from ledger.recording import record
from ledger.transfers import booking, locks, movements, news
from ledger.transfers.kinds import TransferType
from ledger.transfers.movements import Movement


class OwnTransfer(Forbidden):
    """Who asked for a transfer may not decide on it."""

    code = "four_eyes_required"
    advice = "Ask somebody else to decide."


def clear(*, merchant_id: UUID, alert_id: UUID, reason: str, actor: Actor, at: datetime) -> AmlAlert:
    """Find nothing wrong; a transfer that waited for this is completed.

    :raises AmlAlertNotFound: no such alert. :raises OwnTransfer: the actor asked for the transfer.
    :raises StateConflict: it is decided. :raises AccountClosed: an account was closed meanwhile.
    """
    return _decide(merchant_id, alert_id, reason, actor, at, is_cleared=True)


def uphold(*, merchant_id: UUID, alert_id: UUID, reason: str, actor: Actor, at: datetime) -> AmlAlert:
    """Find that the suspicion stands; a transfer that waited for this is rejected, its money free again.

    :raises AmlAlertNotFound: no such alert. :raises OwnTransfer: the actor asked for the transfer.
    :raises StateConflict: it is decided.
    """
    return _decide(merchant_id, alert_id, reason, actor, at, is_cleared=False)


@crashpoints.phased("account_verdict")
def _decide(
    merchant_id: UUID, alert_id: UUID, reason: str, actor: Actor, at: datetime, *, is_cleared: bool
) -> AmlAlert:
    known = AmlAlert.objects.filter(merchant_id=merchant_id, pk=alert_id).first()
    if known is None:
        raise AmlAlertNotFound("there is no such alert")
    paid = _refunded_of(merchant_id, known.transfer_id)
    transfer = locks.transfer(merchant_id, known.transfer_id)
    kept = locks.hold_of_review(transfer.pk) if known.holds_transfer else None
    alert = locks.alert(merchant_id, alert_id)
    asked = transfer.requested_by
    if alert.state == OPEN and (asked["kind"], asked["id"]) == (actor.kind, actor.id):
        raise OwnTransfer("who asked for a transfer may not decide on it")
    if not alert.holds_transfer or alert.state != OPEN:
        _note_verdict(alert, reason, actor, at, is_cleared=is_cleared)
    elif is_cleared:
        _approve(transfer, kept, alert, reason, actor, at)
    else:
        _reject(transfer, paid, kept, alert, reason, actor, at)
    audit.record(
        actor=actor,
        action=f"aml_alert.{alert.state}",
        subject=alert,
        at=at,
        reason=reason,
        before={"status": OPEN},
        after={"status": alert.state, "transfer": transfer.public_id, "transfer_status": transfer.state},
    )
    return alert


def _note_verdict(alert: AmlAlert, reason: str, actor: Actor, at: datetime, *, is_cleared: bool) -> None:
    with record(alert, actor=actor, at=at) as entry:
        (alert.clear if is_cleared else alert.uphold)(actor.as_json(), reason, at)
        entry.announce(news.of_alert(alert, alert.account))


def _approve(
    transfer: Transfer, kept: Hold | None, alert: AmlAlert, reason: str, actor: Actor, at: datetime
) -> None:
    movement = _movement(transfer, actor)
    movements.check(movement, kept=transfer.amount if kept is not None else None)
    if kept is not None and movement.payer is not None:
        movements.release(movement.payer, transfer.amount)
    holds = [kept] if kept is not None else []
    with record(transfer, *holds, alert, actor=actor, at=at) as entry:
        transfer.approve(actor.as_json(), reason, at)
        for hold in holds:
            hold.commit(transfer.amount, at)
        alert.clear(actor.as_json(), reason, at)
        entry.post(movement.legs, step=booking.STEP, kind=transfer.type)
        booking.announce(entry, movement, transfer, *holds)
        entry.announce(news.of_alert(alert, movement.source), alert)


def _reject(
    transfer: Transfer, paid: Transfer | None, kept: Hold | None, alert: AmlAlert, reason: str, actor: Actor,
    at: datetime,
) -> None:  # fmt: skip
    movement = _movement(transfer, actor)
    if kept is not None and movement.payer is not None:
        movements.release(movement.payer, transfer.amount)
    holds = [kept] if kept is not None else []
    with record(transfer, *holds, alert, actor=actor, at=at) as entry:
        transfer.reject(actor.as_json(), reason, at)
        for hold in holds:
            hold.void(at)
        alert.uphold(actor.as_json(), reason, at)
        booking.announce(entry, movement, transfer, *holds)
        entry.announce(news.of_alert(alert, movement.source), alert)
    if paid is not None:
        with record(paid, actor=actor, at=at) as entry:
            paid.uncount_refund(transfer.amount)
            entry.announce(news.of_transfer(paid, movement.target, movement.source))


def _refunded_of(merchant_id: UUID, transfer_id: UUID) -> Transfer | None:
    """Lock the payment that a refund takes back: it is the older one, and locked before the refund."""
    refunded_id = Transfer.objects.values_list("refunds_id", flat=True).get(pk=transfer_id)
    return locks.transfer(merchant_id, refunded_id) if refunded_id is not None else None


def _movement(transfer: Transfer, actor: Actor) -> Movement:
    return movements.between(
        transfer.source,
        transfer.target,
        TransferType(transfer.type),
        transfer.amount,
        transfer.interest,
        actor,
    )
