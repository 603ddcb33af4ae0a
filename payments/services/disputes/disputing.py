"""A provider's word on a dispute: it is opened once, follows the newest word, and its money is booked once.

Every message tells the whole dispute with a version that grows, so any order will do: an older one changes
nothing, and the movements that it names are booked already. The state is the provider's alone; nothing here
loses a dispute because a date has passed.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from ledger import audit
from ledger.actors import SYSTEM, Actor
from ledger.crashpoints import crashpoint, register
from ledger.errors import Invalid
from ledger.events import Cause
from ledger.ids import uuid7
from ledger.locks import phased
from ledger.recording import record
from payments import dispute_selectors, locks, news, numbers, selectors
from payments.models import Dispute, Payment
from payments.models.payments import PaymentNotFound
from payments.providers.notices import DisputeNotice, DisputeStage, DisputeStanding
from payments.rules import dispute_reasons
from payments.services.disputes import dispute_money
from payments.states import ACCEPTED, DISPUTE, LOST

register("dispute.before_commit")

_EDGES: Final = {
    DisputeStanding.WON: "win",
    DisputeStanding.LOST: "lose",
    DisputeStanding.ACCEPTED: "accept",
    DisputeStanding.CLOSED: "close",
}
_STAGE_EDGES: Final = {
    DisputeStage.INQUIRY: "",  # nothing leads back to a question
    DisputeStage.CHARGEBACK: "escalate",
    DisputeStage.PRE_ARBITRATION: "escalate_again",
}
_REFERENCE_MAX: Final = 64


class DisputeUnreadable(Invalid):
    """What a provider tells of a dispute cannot be about the payment that it names."""

    code = "dispute_unreadable"


def follow(provider: str, notice: DisputeNotice, *, actor: Actor, cause: Cause, at: datetime) -> Dispute:
    """Open the dispute, or let it follow; a word that is not newer, and moved no money, changes nothing.

    :raises PaymentNotFound: no payment of ours was authorized under the reference (it may be early).
    :raises DisputeUnreadable: other currency than the payment's, or money that does not add up.
    """
    payment = selectors.payment_by_authorization(provider, notice.authorization)
    if payment is None:
        raise PaymentNotFound("no payment of ours has this authorization")
    _check(payment, notice)
    is_known = dispute_selectors.has_dispute(provider, notice.dispute)
    number = "" if is_known else numbers.take(payment.merchant_id, numbers.DISPUTE, at)
    return _follow(payment.merchant_id, payment.pk, number, notice, actor, cause, at)


@phased
def _follow(
    merchant_id: UUID, payment_id: UUID, number: str, notice: DisputeNotice, actor: Actor, cause: Cause,
    at: datetime,
) -> Dispute:  # fmt: skip
    payment = locks.payment(merchant_id, payment_id)
    dispute = locks.dispute_by_reference(payment, notice.dispute)
    if dispute is None:
        dispute = _open(payment, number, notice, actor, cause, at)
    is_newer = notice.version > dispute.provider_version
    moved = dispute_money.book(payment, dispute, notice.movements, actor, at, cause)
    if is_newer:
        _move(payment, dispute, notice, actor, cause, at)
    if dispute.state in (LOST, ACCEPTED) and (moved or is_newer):
        dispute_money.settle(payment, dispute, actor, at, cause)
    crashpoint("dispute.before_commit")
    return dispute


def _open(
    payment: Payment, number: str, notice: DisputeNotice, actor: Actor, cause: Cause, at: datetime
) -> Dispute:
    about = notice.category or dispute_reasons.category(notice.scheme, notice.reason_code)
    dispute = Dispute(
        id=uuid7(),
        merchant_id=payment.merchant_id,
        payment=payment,
        number=number,
        provider=payment.provider,
        provider_reference=notice.dispute,
        scheme=notice.scheme,
        reason_code=notice.reason_code,
        category=about,
        currency=payment.currency,
        amount_minor=notice.amount.minor,
        opened_at=notice.opened_at,
        created_at=at,
    )
    with record(dispute, actor=actor, at=at, cause=cause) as entry:
        begin = {
            DisputeStage.INQUIRY: dispute.open_inquiry,
            DisputeStage.CHARGEBACK: dispute.open_chargeback,
            DisputeStage.PRE_ARBITRATION: dispute.open_pre_arbitration,
        }[notice.stage]
        begin()
        dispute.due_at = notice.due_at or dispute_reasons.due(notice.scheme, notice.stage, notice.opened_at)
        if notice.standing is DisputeStanding.OPEN:
            dispute.provider_version = notice.version
        entry.announce(news.of_dispute(dispute, payment))
    return dispute


def _move(
    payment: Payment, dispute: Dispute, notice: DisputeNotice, actor: Actor, cause: Cause, at: datetime
) -> None:
    """Take the edge that leads to where the provider says the dispute stands, with what else it tells."""
    name = _edge(dispute, notice, at)
    with record(dispute, actor=actor, at=at, cause=cause) as entry:
        match name:
            case "win" | "lose" | "accept" | "close":
                getattr(dispute, name)(at)
            case _:
                getattr(dispute, name)()
        begins_anew = name in ("escalate", "escalate_again")
        dispute.note_facts(
            version=notice.version,
            due_at=notice.due_at or _own_date(dispute, notice, at, begins_anew=begins_anew),
            reason_code=notice.reason_code or dispute.reason_code,
            category=notice.category or dispute_reasons.category(dispute.scheme, notice.reason_code),
        )
        dispute.amount_minor = max(notice.amount.minor, dispute.withheld_minor)
        entry.announce(news.of_dispute(dispute, payment))


def _own_date(dispute: Dispute, notice: DisputeNotice, at: datetime, *, begins_anew: bool) -> datetime | None:
    return dispute_reasons.due(dispute.scheme, notice.stage, at) if begins_anew else dispute.due_at


def _edge(dispute: Dispute, notice: DisputeNotice, at: datetime) -> str:
    """Return the edge to take; a contradiction changes facts only, and a person is told."""
    is_open = notice.standing is DisputeStanding.OPEN
    wanted = notice.stage.value if is_open else notice.standing.value
    if dispute.state == wanted:
        return "revise"
    name = _STAGE_EDGES[notice.stage] if is_open else _EDGES[notice.standing]
    if name and dispute.state in DISPUTE.edges[name].frm:
        return name
    reason = f"dispute {dispute.number} is {dispute.state}, and its provider now says {wanted}"
    audit.record(actor=SYSTEM, action="dispute.contradicted", subject=dispute, reason=reason, at=at)
    return "revise"


def _check(payment: Payment, notice: DisputeNotice) -> None:
    amounts = [notice.amount, *(movement.amount for movement in notice.movements)]
    fees = [movement.fee for movement in notice.movements]
    if any(one.currency != payment.currency for one in [*amounts, *fees]):
        raise DisputeUnreadable("a dispute is in another currency than its payment")
    if not notice.amount.is_positive or any(one.minor < 0 for one in amounts):
        raise DisputeUnreadable("a dispute's amounts are not above zero")
    if any(not 0 < len(one.reference) <= _REFERENCE_MAX for one in notice.movements):
        raise DisputeUnreadable("a movement has no reference, or one that is too long")
    withheld = 0
    for one in notice.movements:
        withheld += one.amount.minor if one.kind == "withdrawal" else -one.amount.minor
        if withheld < 0:
            raise DisputeUnreadable("more was reinstated than withdrawn")
