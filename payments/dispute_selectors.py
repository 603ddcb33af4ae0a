"""Every read query about disputes. Each takes the merchant whose rows it may show; staff pass `ALL`."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from payments import states
from payments.models import Dispute, DisputeEvidence, DisputeShare, ProviderOperation
from payments.models.disputes import DisputeEvidenceNotFound, DisputeNotFound, Response
from payments.selectors import Whose, of_merchant, the_one


def disputes(merchant_id: Whose) -> QuerySet[Dispute]:
    """Return a merchant's disputes with payment, shares and evidence (without contents), unordered."""
    shares = DisputeShare.objects.select_related("transaction").order_by("transaction__position")
    evidence = DisputeEvidence.objects.defer("content").order_by("pk")
    rows: Any = of_merchant(merchant_id, Dispute.objects.select_related("payment"))  # Any: as in `payments`
    found: QuerySet[Dispute] = rows.prefetch_related(
        Prefetch("shares", shares, to_attr="share_rows"),
        Prefetch("evidence", evidence, to_attr="evidence_rows"),
    )
    return found


def dispute(merchant_id: Whose, dispute_id: UUID) -> Dispute:
    """Return one dispute with its payment, shares and evidence.

    :raises DisputeNotFound: the merchant has none with this id.
    """
    return the_one(disputes(merchant_id).filter(pk=dispute_id), DisputeNotFound)


def dispute_id(merchant_id: Whose, dispute_id: UUID) -> UUID:
    """Return the id when it is a dispute of the merchant: one small query before a key is claimed.

    :raises DisputeNotFound: the merchant has none with this id.
    """
    the_one(of_merchant(merchant_id, Dispute.objects.only("pk")).filter(pk=dispute_id), DisputeNotFound)
    return dispute_id


def dispute_shares_of(dispute: Dispute) -> list[DisputeShare]:
    """Return what vendors bear of a dispute, from memory when it was loaded with it."""
    loaded: list[DisputeShare] | None = dispute.__dict__.get("share_rows")
    if loaded is None:
        rows = DisputeShare.objects.select_related("transaction").filter(dispute=dispute)
        loaded = list(rows.order_by("transaction__position"))
    return loaded


def open_answer(dispute: Dispute, kind: str) -> ProviderOperation | None:
    """Return the answer of a kind to a dispute of which it is not known whether it was given."""
    rows = ProviderOperation.objects.filter(subject_id=dispute.pk, kind=kind, concluded_at=None)
    return rows.order_by("created_at").last()


def evidence_of(dispute: Dispute) -> list[DisputeEvidence]:
    """Return a dispute's evidence without contents, the oldest first, from memory when it was loaded."""
    loaded: list[DisputeEvidence] | None = dispute.__dict__.get("evidence_rows")
    if loaded is None:
        loaded = list(DisputeEvidence.objects.defer("content").filter(dispute=dispute).order_by("pk"))
    return loaded


def evidence(merchant_id: Whose, evidence_id: UUID) -> DisputeEvidence:
    """Return one piece of evidence with its content.

    :raises DisputeEvidenceNotFound: the merchant has none with this id.
    """
    rows = of_merchant(merchant_id, DisputeEvidence.objects.all())
    return the_one(rows.filter(pk=evidence_id), DisputeEvidenceNotFound)


def has_dispute(provider: str, reference: str) -> bool:
    """Say whether a dispute that a provider tells of is known here."""
    return Dispute.objects.filter(provider=provider, provider_reference=reference).exists()


def disputes_due(at: datetime, within_days: int) -> QuerySet[Dispute]:
    """Return the disputes that wait for an answer which is due within some days, the first due first."""
    rows = Dispute.objects.filter(
        state__in=states.DISPUTE_STATES_OPEN,
        response=Response.NONE,
        due_at__gt=at,
        due_at__lte=at + timedelta(days=within_days),
    )
    return rows.order_by("due_at", "pk")
