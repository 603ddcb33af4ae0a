"""What the house keeps of a conversion: by kind and merchant, from a day on, kept by finance.

A merchant's own spread goes before everybody's, a later beginning before an earlier one; where finance has
set none, the settings' default of the kind holds, and the quote says so by naming no spread.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Invalid
from ledger.fx import periods
from ledger.locks import phased
from ledger.models import FxSpread
from ledger.models.fx_rates import SPREAD_BPS_MAX, FxKind


class BadSpread(Invalid):
    """A spread that cannot be."""

    code = "fx_spread_invalid"


@dataclass(frozen=True, slots=True)
class Spread:
    """How many hundredths of a percent, and the row that says so (none: the default)."""

    bps: int
    id: UUID | None


def of(kind: FxKind, merchant_id: UUID, at: datetime) -> Spread:
    """Return the spread of a merchant's conversion at an instant."""
    found = (
        FxSpread.objects.filter(Q(merchant_id=merchant_id) | Q(merchant_id=None), kind=kind)
        .filter(Q(valid_to=None) | Q(valid_to__gt=at), valid_from__lte=at)
        .order_by(F("merchant_id").asc(nulls_last=True), "-valid_from", "-recorded_at", "-id")
        .first()
    )
    return Spread(found.bps, found.id) if found else Spread(settings.FX_SPREAD_BPS[kind.value], None)


@phased
def set_spread(
    *, kind: FxKind, bps: int, valid_from: datetime, reason: str, actor: Actor, at: datetime,
    merchant_id: UUID | None = None,
) -> FxSpread:  # fmt: skip
    """Set a spread from an instant on; the one that holds until then ends.

    :raises BadSpread: out of bounds, or in the past: what was quoted stays as it was quoted.
    """
    if not 0 <= bps <= SPREAD_BPS_MAX:
        raise BadSpread(f"a spread is between 0 and {SPREAD_BPS_MAX} bps", param="bps")
    if valid_from < at:
        raise BadSpread("a spread begins now or later", param="valid_from")
    before = FxSpread.objects.filter(kind=kind, merchant_id=merchant_id, valid_from__lte=valid_from)
    before.filter(Q(valid_to=None) | Q(valid_to__gt=valid_from)).update(valid_to=valid_from)
    made = FxSpread.objects.create(
        merchant_id=merchant_id, kind=kind, bps=bps, valid_from=valid_from, set_by=actor.label or actor.id,
        reason=reason, recorded_at=at,
    )  # fmt: skip
    after = {"kind": kind.value, "bps": bps, "valid_from": valid_from.isoformat()}
    audit.record(actor=actor, action="fx_spread.set", subject=made, at=at, reason=reason, after=after)
    return made


@phased
def end_spread(*, spread_id: UUID, reason: str, actor: Actor, at: datetime) -> FxSpread:
    """End a spread now; what goes before it holds again.

    :raises AlreadyEnded: it has ended.
    """
    spread = FxSpread.objects.get(pk=spread_id)
    periods.end(spread, "fx_spread", reason, actor, at)
    return spread
