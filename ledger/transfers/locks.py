"""What transfers and holds lock, in the order of the house: transfer, hold, alert, accounts by id."""

from collections.abc import Iterable
from uuid import UUID

from ledger import locks as house
from ledger.models import Account, AmlAlert, Hold, Transfer
from ledger.models.transfers import AmlAlertNotFound, HoldNotFound, TransferNotFound


def transfer(merchant_id: UUID, transfer_id: UUID) -> Transfer:
    """Lock and return a merchant's transfer.

    :raises TransferNotFound: the merchant has none with this id.
    """
    return house.lock_one(
        Transfer.objects.filter(merchant_id=merchant_id, pk=transfer_id), missing=TransferNotFound
    )


def hold(merchant_id: UUID, hold_id: UUID) -> Hold:
    """Lock and return a merchant's hold.

    :raises HoldNotFound: the merchant has none with this id.
    """
    return house.lock_one(Hold.objects.filter(merchant_id=merchant_id, pk=hold_id), missing=HoldNotFound)


def hold_of_review(transfer_id: UUID) -> Hold | None:
    """Lock and return the hold that keeps the money of a transfer under review, which is locked already.

    There is none when the money comes from an account that nothing can be held on.
    """
    return next(iter(house.lock(Hold.objects.filter(reviews_id=transfer_id))), None)


def alert(merchant_id: UUID, alert_id: UUID) -> AmlAlert:
    """Lock and return an alert; its transfer is locked already.

    :raises AmlAlertNotFound: there is none.
    """
    return house.lock_one(
        AmlAlert.objects.filter(merchant_id=merchant_id, pk=alert_id), missing=AmlAlertNotFound
    )


def accounts(account_ids: Iterable[int]) -> dict[int, Account]:
    """Lock strict accounts, by id; those that are rolled up are never locked and left out."""
    rows = house.lock(Account.objects.filter(pk__in=set(account_ids), is_deferred=False))
    return {row.pk: row for row in rows}
