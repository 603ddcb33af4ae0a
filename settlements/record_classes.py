"""What of money out a legal hold covers besides what it names. All of it is kept."""

from collections.abc import Iterator
from uuid import UUID

from django.db.models import Q

from ledger.retention import belongs
from settlements.models import Payout, SettlementBatch


@belongs
def _of_a_vendor(key: UUID) -> Iterator[UUID]:
    """Find the batches and payouts of a vendor, and the payouts of a batch."""
    yield from SettlementBatch.objects.filter(vendor_id=key).values_list("pk", flat=True)
    payouts = Payout.objects.filter(Q(batch__vendor_id=key) | Q(batch_id=key))
    yield from payouts.values_list("pk", flat=True)
