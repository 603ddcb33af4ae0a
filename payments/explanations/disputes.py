"""What this floor explains of disputes: what is withheld by the provider's movements, these by its messages.

A dispute's first event names the message that told of it, and so does the event of every movement: from a
dispute to the callback, as it came.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ledger.explain.registry import Scope, causes_postings, explains, first_events, keys_of, links_cause
from ledger.explain.types import Explanation, Link, Part, one
from ledger.models import JournalEntry, Posting
from ledger.money import Money
from payments.explanations.payments import FEE
from payments.explanations.shares import commissions
from payments.models import Dispute, ProviderOperation
from payments.models.operations import Kind

_KINDS = (Kind.WITHDRAWAL, Kind.REINSTATEMENT)
_LABELS = {Kind.WITHDRAWAL.value: "withdrawn", Kind.REINSTATEMENT.value: "reinstated"}


@links_cause("provider_webhook")
def _message(public_id: str) -> Link:
    return Link("the provider's message", "", public_id)


@links_cause("provider_report")
def _report(name: str) -> Link:
    return Link("the provider's report", name, is_outside=True)


@explains(Dispute.PREFIX)
def disputes(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain disputes (`dsp_…`): what the provider withholds, movement by movement."""
    keys = keys_of(Dispute.PREFIX, tails)
    rows = list(scope.of(Dispute.objects.filter(pk__in=list(keys)).select_related("payment")))
    parts: dict[UUID, list[Part]] = {row.pk: [] for row in rows}
    moved = ProviderOperation.objects.filter(
        subject_type=Dispute.SUBJECT, subject_id__in=list(parts), kind__in=_KINDS
    )
    for row in moved.order_by("id"):
        amount = row.amount if row.kind == Kind.WITHDRAWAL else -row.amount
        parts[row.subject_id].append(Part(_LABELS[row.kind], amount, row.public_id))
    made = first_events(parts, scope)
    return {keys[row.pk]: _explained(row, parts[row.pk], made.get(row.pk)) for row in rows}


def _explained(row: Dispute, parts: list[Part], made: str | None) -> Explanation:
    told = Link("opened", "", made) if made else Link("opened", "no event tells how it came to be")
    nothing = Part("nothing is withheld", Money.zero(row.currency), "", False)
    return Explanation(
        ref=row.public_id,
        kind="dispute",
        title=f"{row.number} of {row.payment.number}, {row.state}: withheld by {row.provider}",
        amounts=one(row.withheld),
        parts=tuple(parts) or (nothing,),
        causes=(told,),
        evidence=(
            ("provider's reference", row.provider_reference),
            ("reason", f"{row.scheme} {row.reason_code}".strip() or row.category),
        ),
        at=row.created_at,
        page=("payments_dispute", str(row.pk)),
    )


@causes_postings(Dispute.SUBJECT)
def of_disputes(pairs: Sequence[tuple[JournalEntry, Posting]], scope: Scope) -> dict[Any, list[Link]]:
    """Lead commissions to the share they were agreed on, and fees to the movement that told of them."""
    rows = Dispute.objects.filter(pk__in={entry.source_id for entry, _ in pairs})
    found = commissions(pairs, dict(rows.values_list("pk", "payment_id")), scope)
    fees = [(entry, posting) for entry, posting in pairs if posting.purpose == "dispute_fee"]
    moved = ProviderOperation.objects.filter(
        subject_type=Dispute.SUBJECT, subject_id__in={entry.source_id for entry, _ in fees}, kind__in=_KINDS
    )
    by_step = {(row.subject_id, row.leg): row for row in moved} if fees else {}
    for entry, posting in fees:
        row = by_step.get((entry.source_id, entry.step))
        if row is not None:
            link = Link("the provider's fee", "", f"{row.public_id}.{FEE}")
            found.setdefault((posting.entry_id, posting.line), []).append(link)
    return found
