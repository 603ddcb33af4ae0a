"""The read queries of transfers and holds; each takes the merchant whose rows it may show."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from ledger.models import Hold, Transfer
from ledger.models.transfers import HoldNotFound, TransferNotFound


def transfers(merchant_id: UUID, **filters: Any) -> QuerySet[Transfer]:
    """Return a merchant's transfers with their accounts."""
    return Transfer.objects.filter(merchant_id=merchant_id, **filters).select_related("source", "target")


def transfer(merchant_id: UUID, transfer_id: UUID) -> Transfer:
    """Return one transfer of a merchant.

    :raises TransferNotFound: the merchant has none with this id.
    """
    found = transfers(merchant_id, pk=transfer_id).first()
    if found is None:
        raise TransferNotFound("the merchant has no such transfer")
    return found


def holds(merchant_id: UUID, **filters: Any) -> QuerySet[Hold]:
    """Return a merchant's holds with their accounts."""
    return Hold.objects.filter(merchant_id=merchant_id, **filters).select_related("account", "target")


def hold(merchant_id: UUID, hold_id: UUID) -> Hold:
    """Return one hold of a merchant.

    :raises HoldNotFound: the merchant has none with this id.
    """
    found = holds(merchant_id, pk=hold_id).first()
    if found is None:
        raise HoldNotFound("the merchant has no such hold")
    return found
