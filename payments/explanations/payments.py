"""What this floor explains: payments and refunds by the provider's operations, these by who asked for them
and by what the provider answered, the provider's messages by themselves."""

import hashlib
from collections.abc import Iterable, Sequence
from uuid import UUID

from ledger import ids
from ledger.explain import acts, sources
from ledger.explain.entries import posting_ref
from ledger.explain.registry import (
    Scope,
    explains,
    first_events,
    keys_of,
    links_cause,
    subject_ref,
)
from ledger.explain.types import Explanation, Link, Part, one
from ledger.money import Money
from payments.explanations import routes as route_explanations
from payments.models import Dispute, Payment, ProviderOperation, ProviderWebhook, Refund
from payments.models.operations import Kind, OutcomeKind

OPERATION = ProviderOperation.PREFIX
FEE = "fee"
MOVES_MONEY = (
    Kind.CAPTURE,
    Kind.REFUND,
    Kind.WITHDRAWAL,
    Kind.REINSTATEMENT,
    Kind.REFUND_RETURNED,
)
BOOKED = ("clearing", "fee", "refund", "dispute_funds")
COMES_IN = (Kind.CAPTURE, Kind.REINSTATEMENT, Kind.REFUND_RETURNED)
OURS = (Payment.SUBJECT, Refund.SUBJECT, Dispute.SUBJECT)


@links_cause("provider_operation")
def _operation(public_id: str) -> Link:
    return Link("what the provider did", "", public_id)


@links_cause("operation")
def _operation_by_key(key: str) -> Link:
    try:
        return Link("what the provider did", "", ids.show(OPERATION, UUID(key)))
    except ValueError:
        return Link("operation", f"{key} is no operation's id")


@links_cause("refund")
def _refund(public_id: str) -> Link:
    return Link("for the refund", "", public_id)


@explains(OPERATION)
def operations(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain provider operations (`op_…`) and the fees that the provider kept of them (`op_….fee`)."""
    heads = {tail: tail.partition(".")[0] for tail in tails}
    keys = {head: key for key, head in keys_of(OPERATION, set(heads.values())).items()}
    rows = scope.of(ProviderOperation.objects.filter(pk__in=list(keys.values()))).in_bulk()
    whole = [rows[key] for key in {keys[tail] for tail in heads if tail in keys} if key in rows]
    booked, lacking = _booked(whole, scope)
    told = _webhooks([row.pk for row in whole], scope)
    made = first_events([row.subject_id for row in whole if row.subject_type in OURS], scope)
    found = {}
    for tail, head in heads.items():
        row = rows.get(keys[head]) if head in keys else None
        if row is None:
            continue
        if tail == head:
            found[tail] = _explained(
                row, booked.get(row.pk, []), told.get(row.pk, []), made, lacking.get(row.subject_id, ())
            )
        elif tail == f"{head}.{FEE}":
            found[tail] = _fee(row)
    return found


def _explained(
    row: ProviderOperation,
    booked: list[Part],
    told: list[Link],
    made: dict[UUID, str],
    problems: tuple[str, ...],
) -> Explanation:
    if row.has_succeeded and row.kind != Kind.VOID and not row.provider_reference:
        problems += ("it is approved, but the provider gave no reference for it",)
    parts, causes = booked, [_asked(row), *_answered(row), *told]
    if row.subject_id in made:
        causes.append(Link(f"for the {row.subject_type}", "", made[row.subject_id]))
    elif row.subject_type in OURS:
        problems += (f"nothing tells how its {row.subject_type} came to be",)
    elif subject := subject_ref(row.subject_type, row.subject_id):
        parts = [Part(f"the {row.subject_type}", row.amount, subject)]
    return Explanation(
        ref=row.public_id,
        kind="provider operation",
        title=f"{row.leg.replace(':', ' ')} at {row.provider}: {row.outcome or 'not answered yet'}",
        amounts=one(row.amount),
        parts=tuple(parts),
        causes=tuple(causes),
        evidence=(
            ("our key", row.idempotency_key),
            ("asked", f"{row.tries} times"),
            *route_explanations.evidence(row.route),
        ),
        problems=problems,
        at=row.concluded_at or row.created_at,
        page=("payments_provideroperation", str(row.pk)),
    )


def _asked(row: ProviderOperation) -> Link:
    by = row.asked_by or {}
    who = acts.actor_link(by.get("kind", "system"), by.get("id", ""), by.get("request_id", ""))
    if not who.is_outside:  # a person: his reasoned act is told by the event of the subject
        return Link("person", f"asked for by {by.get('label') or by.get('id')}", is_outside=True)
    return Link(f"asked for by {who.label}", who.text, is_outside=True)


def _answered(row: ProviderOperation) -> list[Link]:
    if not row.outcome:
        return []
    reference = f", reference {row.provider_reference}" if row.provider_reference else ""
    return [Link("provider's answer", f"{row.provider}: {row.outcome}{reference}", is_outside=True)]


def _fee(row: ProviderOperation) -> Explanation:
    return Explanation(
        ref=f"{row.public_id}.{FEE}",
        kind="provider's fee",
        title=f"kept by {row.provider} of the {row.leg.replace(':', ' ')}",
        amounts=one(Money(row.fee_minor, row.currency)),
        causes=(Link("told with the answer to", "", row.public_id),),
        at=row.concluded_at,
        page=("payments_provideroperation", str(row.pk)),
    )


def _booked(
    rows: Sequence[ProviderOperation], scope: Scope
) -> tuple[dict[UUID, list[Part]], dict[UUID, tuple[str, ...]]]:
    """Return what the books hold of captures and refunds: they must come to the operation's amount.

    Beside it stands, by subject, why some could not be read back from archives.
    """
    facts = {(row.subject_id, row.leg): row for row in rows if row.has_succeeded and row.kind in MOVES_MONEY}
    booked = sources.booked(OURS, {key for key, _ in facts}, scope)
    parts: dict[UUID, list[Part]] = {row.pk: [] for row in facts.values()}
    for entry, leg in ((entry, leg) for entry, legs in booked.entries for leg in legs):
        row = facts.get((entry.source_id, entry.step))
        if row is None or leg.purpose not in BOOKED:
            continue
        if leg.account.code in ("provider_clearing", "provider_fees"):
            sign = 1 if row.kind in COMES_IN else -1
            label = "booked as its fee" if leg.purpose == "fee" else "booked as owed by the provider"
            amount = Money(sign * leg.amount, leg.currency)
            parts[row.pk].append(Part(label, amount, posting_ref(leg.entry_id, leg.line), False))
    for row in facts.values():
        if not parts[row.pk]:
            parts[row.pk].append(Part("nothing is booked", Money.zero(row.currency), "", False))
    return parts, {key: booked.lacking([key]) for key, _ in facts}


def _webhooks(operation_ids: Iterable[UUID], scope: Scope) -> dict[UUID, list[Link]]:
    told: dict[UUID, list[Link]] = {}
    rows = scope.of(ProviderWebhook.objects.filter(operation__in=list(operation_ids), is_verified=True))
    for row in rows.order_by("id").only("pk", "operation_id", "event_type"):
        told.setdefault(row.operation_id, []).append(Link("message", row.event_type, row.public_id))
    return told


@explains(ProviderWebhook.PREFIX)
def webhooks(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain providers' messages: signed by the provider, kept as they came."""
    keys = keys_of(ProviderWebhook.PREFIX, tails)
    found = {}
    for row in scope.of(ProviderWebhook.objects.filter(pk__in=list(keys))):
        found[keys[row.pk]] = Explanation(
            ref=row.public_id,
            kind="provider's message",
            title=f"{row.event_type or 'message'} of {row.provider}, {row.state}",
            causes=(Link("provider", f"{row.provider}'s event {row.event_id}", is_outside=True),),
            evidence=(("body, SHA-256", hashlib.sha256(bytes(row.body)).hexdigest()),),
            problems=() if row.is_verified else ("its signature is wrong",),
            at=row.received_at,
            page=("payments_providerwebhook", str(row.pk)),
        )
    return found


@explains(Payment.PREFIX)
def payments(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain payments: what was captured less what was given back, by operation and refund."""
    keys = keys_of(Payment.PREFIX, tails)
    rows = list(scope.of(Payment.objects.filter(pk__in=list(keys))))
    parts: dict[UUID, list[Part]] = {row.pk: [] for row in rows}
    captures = ProviderOperation.objects.filter(
        subject_type=Payment.SUBJECT, subject_id__in=list(parts), kind=Kind.CAPTURE,
        outcome=OutcomeKind.APPROVED,
    )  # fmt: skip
    for capture in captures.order_by("id"):
        label = capture.leg.replace(":", " ")
        parts[capture.subject_id].append(Part(label, capture.amount, capture.public_id))
    for refund in Refund.objects.filter(payment__in=list(parts), state="completed").order_by("id"):
        parts[refund.payment_id].append(Part(f"refund {refund.number}", -refund.amount, refund.public_id))
    made = first_events(parts, scope)
    return {
        keys[row.pk]: Explanation(
            ref=row.public_id,
            kind="payment",
            title=f"{row.number}: captured less given back",
            amounts=one(row.money(row.captured_minor - row.refunded_minor)),
            parts=tuple(parts[row.pk]),
            causes=_created(made.get(row.pk)),
            evidence=(("order", row.order_ref), ("customer", row.customer_ref)),
            at=row.created_at,
            page=("payments_payment", str(row.pk)),
        )
        for row in rows
    }


@explains(Refund.PREFIX)
def refunds(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain refunds: what was given back, by the operations that did it and by who asked and agreed.

    A try that failed after it had been done stands with what came back.
    """
    keys = keys_of(Refund.PREFIX, tails)
    rows = list(scope.of(Refund.objects.filter(pk__in=list(keys))))
    done = {row.pk for row in rows if row.state == "completed"}
    parts: dict[UUID, list[Part]] = {row.pk: [] for row in rows}
    moved = ProviderOperation.objects.filter(
        kind__in=(Kind.REFUND, Kind.REFUND_RETURNED), outcome=OutcomeKind.APPROVED,
        subject_type=Refund.SUBJECT, subject_id__in=list(parts),
    )  # fmt: skip
    for operation in moved.order_by("created_at", "id"):
        part = Part("given back", operation.amount, operation.public_id)
        if operation.kind == Kind.REFUND_RETURNED:
            part = Part("came back: it had failed", -operation.amount, operation.public_id)
        parts[operation.subject_id].append(part)
    made = first_events(parts, scope)
    return {
        keys[row.pk]: Explanation(
            ref=row.public_id,
            kind="refund",
            title=f"{row.number}, {row.state}",
            amounts=one(row.amount if row.pk in done else Money.zero(row.currency)),
            parts=tuple(parts[row.pk]) or _nothing(row),
            causes=_created(made.get(row.pk)),
            evidence=(("reason", row.reason),) if row.reason else (),
            at=row.created_at,
            page=("payments_refund", str(row.pk)),
        )
        for row in rows
    }


def _nothing(row: Refund) -> tuple[Part, ...]:
    return (Part("nothing was given back", Money.zero(row.currency), "", False),)


def _created(event_ref: str | None) -> tuple[Link, ...]:
    if event_ref is None:
        return (Link("created", "no event tells how it came to be"),)
    return (Link("created", "", event_ref),)
