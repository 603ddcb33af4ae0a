"""The money of disputes, inside the phase that applies a provider's word: one step for each of its movements.

1. A movement is booked once, by the provider's own reference of it, which its settlement report names too;
   the operation that keeps it is concluded from the beginning, for nobody asks for it.
2. What was captured and not given back otherwise is borne by the vendors' shares and the merchant, in
   proportion to what is left of each (or by the merchant alone, by its policy). What a provider takes beyond
   that, because it had been refunded, or was never captured, the merchant bears, and a person is told.
3. Money that comes back goes first to what was beyond, then to those who bore it.
"""

from datetime import datetime
from typing import Final

from ledger import audit
from ledger.actors import SYSTEM, Actor
from ledger.events import Cause
from ledger.money import Money
from ledger.recording import Entry, record
from payments import dispute_selectors, locks, news, posting_rules, selectors
from payments.models import Dispute, DisputeShare, Payment, PaymentTransaction
from payments.models.operations import Kind
from payments.providers.notices import DisputeMovement, MovementKind
from payments.rules.capture_division import commission_due, divide_over
from payments.services.calls import keeping_told
from payments.services.refunds import bearing
from payments.services.refunds.bearing import Borne
from vendors import selectors as vendor_selectors
from vendors.models.merchants import DisputeBearer

SETTLED_STEP: Final = "settled"


def book(
    payment: Payment, dispute: Dispute, movements: tuple[DisputeMovement, ...], actor: Actor, at: datetime,
    cause: Cause,
) -> int:  # fmt: skip
    """Book those movements of a locked dispute that are not booked yet; return how many there were."""
    rows = selectors.operations_of(Dispute.SUBJECT, dispute.pk)
    kinds = (Kind.WITHDRAWAL, Kind.REINSTATEMENT)
    booked = set(rows.filter(kind__in=kinds).values_list("provider_reference", flat=True))
    new = [movement for movement in movements if movement.reference not in booked]
    for number, movement in enumerate(new, start=len(booked) + 1):
        step = f"movement:{number}"
        if movement.kind is MovementKind.WITHDRAWAL:
            _withdraw(payment, dispute, movement, step, actor, at, cause)
        else:
            _reinstate(payment, dispute, movement, step, actor, at, cause)
        _keep(payment, dispute, movement, step, actor, at)
    return len(new)


def settle(payment: Payment, dispute: Dispute, actor: Actor, at: datetime, cause: Cause) -> None:
    """Give up what is withheld of a dispute that is lost or accepted, when something is."""
    amount = dispute.money(dispute.withheld_minor - dispute.settled_minor)
    if not amount.is_positive:
        return
    with record(dispute, actor=actor, at=at, cause=cause) as entry:
        dispute.settle()
        entry.post(
            posting_rules.dispute_settled(payment, amount), step=f"{SETTLED_STEP}:{dispute.version + 1}"
        )
        entry.announce(news.of_dispute(dispute, payment, step_minor=amount.minor))


def _withdraw(
    payment: Payment, dispute: Dispute, movement: DisputeMovement, step: str, actor: Actor, at: datetime,
    cause: Cause,
) -> None:  # fmt: skip
    amount = movement.amount
    covered = min(amount, payment.refundable)
    borne = _divided(payment, covered)
    own = amount - sum((one.amount for one in borne), Money.zero(amount.currency))
    parts, own_part = bearing.taken(payment, borne, own)
    legs = posting_rules.dispute_withdrawn(payment, parts, own_part, movement.fee)
    subjects = [*_counted(payment, covered), *(one.share for one in borne)]
    with record(dispute, *subjects, actor=actor, at=at, cause=cause) as entry:
        dispute.withdraw(amount, covered, movement.fee)
        entry.post(legs, step=step, kind="dispute")
        if covered.is_positive:
            payment.dispute(covered)
        for one in borne:
            one.share.dispute(one.amount, one.commission_back, one.kept)
        _announce(payment, dispute, borne, covered, movement, entry)
    _add_shares(dispute, borne)
    if amount > covered:
        beyond = (amount - covered).display()
        reason = f"{beyond} of dispute {dispute.number} is more than was captured and not given back"
        audit.record(actor=SYSTEM, action="dispute.beyond_captured", subject=dispute, reason=reason, at=at)


def _reinstate(
    payment: Payment, dispute: Dispute, movement: DisputeMovement, step: str, actor: Actor, at: datetime,
    cause: Cause,
) -> None:  # fmt: skip
    amount = movement.amount
    beyond = dispute.money(dispute.withheld_minor - dispute.covered_minor)
    covered = amount - min(amount, beyond)
    rows = dispute_selectors.dispute_shares_of(dispute)
    borne = _given_back(payment, dispute, rows, covered)
    own = amount - sum((one.amount for one in borne), Money.zero(amount.currency))
    parts, own_part = bearing.returned(payment, borne, own)
    given_up = dispute.money(min(dispute.settled_minor, amount.minor))
    legs = posting_rules.dispute_reinstated(payment, parts, own_part, movement.fee, given_up)
    subjects = [*_counted(payment, covered), *(one.share for one in borne)]
    with record(dispute, *subjects, actor=actor, at=at, cause=cause) as entry:
        dispute.reinstate(amount, covered, movement.fee)
        entry.post(legs, step=step, kind="dispute")
        if covered.is_positive:
            payment.undo_dispute(covered)
        for one in borne:
            one.share.undo_dispute(one.amount, one.commission_back, one.kept)
        _announce(payment, dispute, borne, covered, movement, entry)
    _take_from_shares(rows, borne)


def _divided(payment: Payment, covered: Money) -> list[Borne]:
    """Divide what a dispute takes over the vendors' shares, in proportion to what is left of each."""
    bearer = vendor_selectors.merchant(payment.merchant_id).dispute_bearer
    if bearer == DisputeBearer.MERCHANT or not covered.is_positive:
        return []
    shares = locks.shares(payment.pk)
    left = [share.refundable_minor for share in shares]
    # What the merchant bears alone by its policy was no share's, so the shares may have more left than is.
    own_left = max(0, payment.refundable.minor - sum(left))
    parts, _ = divide_over(covered, left, own_left)
    wanted = [(share, part) for share, part in zip(shares, parts, strict=True) if part.is_positive]
    return bearing.parts_of(payment, wanted)


def _given_back(payment: Payment, dispute: Dispute, rows: list[DisputeShare], covered: Money) -> list[Borne]:
    """Divide what comes back over those who bore it; the commission follows in proportion."""
    if not rows or not covered.is_positive:
        return []
    by_id = {share.pk: share for share in locks.shares(payment.pk)}
    own_left = dispute.covered_minor - sum(row.amount_minor for row in rows)
    parts, _ = divide_over(covered, [row.amount_minor for row in rows], own_left)
    found = []
    for row, part in zip(rows, parts, strict=True):
        if part.is_positive:
            left = row.amount_minor - part.minor
            back_left = commission_due(row.amount_minor, row.commission_back_minor, left)
            kept_left = min(
                commission_due(row.amount_minor, row.commission_kept_minor, left), left - back_left
            )
            back = dispute.money(row.commission_back_minor - back_left)
            kept = dispute.money(row.commission_kept_minor - kept_left)
            found.append(Borne(by_id[row.transaction_id], part, back, kept))
    return found


def _counted(payment: Payment, covered: Money) -> list[Payment]:
    return [payment] if covered.is_positive else []


def _add_shares(dispute: Dispute, borne: list[Borne]) -> None:
    rows = {row.transaction_id: row for row in dispute_selectors.dispute_shares_of(dispute)}
    for one in borne:
        row = rows.get(one.share.pk) or DisputeShare(
            dispute=dispute, transaction=one.share, currency=dispute.currency
        )
        row.amount_minor += one.amount.minor
        row.commission_back_minor += one.commission_back.minor
        row.commission_kept_minor += one.kept.minor
        row.save()


def _take_from_shares(rows: list[DisputeShare], borne: list[Borne]) -> None:
    by_share = {one.share.pk: one for one in borne}
    for row in rows:
        one = by_share.get(row.transaction_id)
        if one is not None:
            row.amount_minor -= one.amount.minor
            row.commission_back_minor -= one.commission_back.minor
            row.commission_kept_minor -= one.kept.minor
            row.save(update_fields=["amount_minor", "commission_back_minor", "commission_kept_minor"])


def _announce(
    payment: Payment, dispute: Dispute, borne: list[Borne], covered: Money, movement: DisputeMovement,
    entry: Entry,
) -> None:  # fmt: skip
    told = {"step_minor": movement.amount.minor, "step_fee_minor": movement.fee.minor}
    entry.announce(news.of_dispute(dispute, payment, **told))
    if covered.is_positive:
        entry.announce(
            news.of_payment(payment, dispute_id=dispute.public_id, step_minor=covered.minor), subject=payment
        )
    for one in borne:
        share: PaymentTransaction = one.share
        entry.announce(
            news.of_share(share, dispute_id=dispute.public_id, step_minor=one.amount.minor), subject=share
        )


def _keep(
    payment: Payment, dispute: Dispute, movement: DisputeMovement, step: str, actor: Actor, at: datetime
) -> None:
    kind = Kind.WITHDRAWAL if movement.kind is MovementKind.WITHDRAWAL else Kind.REINSTATEMENT
    keeping_told.keep(
        kind, dispute, step, movement.amount, payment_id=payment.pk, provider=dispute.provider,
        key=movement.reference, reference=movement.reference, actor=actor, at=at, fee=movement.fee,
    )  # fmt: skip
