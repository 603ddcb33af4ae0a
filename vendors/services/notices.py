"""Where a merchant gets notices by mail: one address, or none."""

from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Stale
from ledger.locks import phased
from vendors import locks
from vendors.models import Merchant
from vendors.models.merchants import BadNoticeAddress

ADDRESS_MAX = 254


class NoticeAddressChanged(Stale):
    """Somebody else has set another address since."""

    code = "notice_address_changed"
    advice = "Look at the address that holds now, then set yours again."


@phased
def set_address(
    *, merchant_id: UUID, address: str, reason: str, actor: Actor, at: datetime, instead_of: str | None = None
) -> Merchant:
    """Let a merchant's notices go to an address from now on; an empty one ends them.

    With `instead_of` it is refused when that is no longer the address that holds.

    :raises MerchantNotFound: there is none. :raises BadNoticeAddress: it is no address.
    :raises NoticeAddressChanged: somebody else was quicker.
    """
    wanted = _checked(address)
    merchant = locks.merchant(merchant_id)
    before = merchant.notice_address
    if instead_of not in (None, before):
        raise NoticeAddressChanged("another address was set meanwhile", param="notice_address")
    merchant.notice_address = wanted
    merchant.save(update_fields=["notice_address"])
    audit.record(
        actor=actor,
        action="merchant.notice_address_set",
        subject=merchant,
        reason=reason,
        before={"notice_address": before},
        after={"notice_address": wanted},
        at=at,
    )
    return merchant


def _checked(address: str) -> str:
    wanted = address.strip()
    if not wanted:
        return ""
    try:
        validate_email(wanted)
    except ValidationError as error:
        raise BadNoticeAddress("that is not a mail address", param="notice_address") from error
    if len(wanted) > ADDRESS_MAX:
        raise BadNoticeAddress(f"an address has at most {ADDRESS_MAX} characters", param="notice_address")
    return wanted
